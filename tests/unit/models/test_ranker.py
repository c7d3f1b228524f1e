from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.options import RankingOptions
from models.ranker import Ranker

TEMPERATURE = 0.2


@pytest.fixture
def ranker(table: ItemTable) -> Ranker:
    vectors = np.random.default_rng(1).normal(size=[25, 4]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Ranker(table, vectors, TEMPERATURE, 3.25, RankingOptions(hidden_units=8))


@pytest.fixture
def users() -> tf.Tensor:
    return tf.math.l2_normalize(tf.constant([[1.0, 2.0, 3.0, 4.0], [1.0, -1.0, 1.0, -1.0]]), axis=1)


ITEMS = tf.constant([[1, 2, 3], [24, 0, 7]])


def test_relevance_is_the_retrieval_logit_when_untrained(
    ranker: Ranker, users: tf.Tensor, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    relevance, rating = ranker(user_inputs([[1, 2], []]), users, ITEMS)
    vectors = tf.gather(ranker.item_embeddings, ITEMS)
    logits = tf.reduce_sum(users[:, tf.newaxis, :] * vectors, axis=2) / TEMPERATURE
    np.testing.assert_allclose(relevance, logits, rtol=1e-4, atol=1e-5)
    assert rating.shape == (2, 3)


def test_correction_vanishes_when_it_is_switched_off(
    ranker: Ranker, users: tf.Tensor, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = user_inputs([[1, 2], []])
    plain, _ = ranker(inputs, users, ITEMS)
    ranker.correction_head.bias.assign([2.0])
    shifted, rating = ranker(inputs, users, ITEMS)
    np.testing.assert_allclose(shifted - plain, 2.0, rtol=1e-4)
    ranker.correction_scale.assign(0.0)
    off, same_rating = ranker(inputs, users, ITEMS)
    np.testing.assert_array_equal(off, plain)
    np.testing.assert_array_equal(rating, same_rating)


def test_rating_is_the_mean_when_the_head_has_no_weights(
    ranker: Ranker, users: tf.Tensor, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = user_inputs([[1], []])
    ranker(inputs, users, ITEMS)
    ranker.rating_head.kernel.assign(tf.zeros_like(ranker.rating_head.kernel))
    _, rating = ranker(inputs, users, ITEMS)
    np.testing.assert_array_equal(rating, 3.25)


def test_scores_do_not_depend_on_the_other_items_when_listed(
    ranker: Ranker, users: tf.Tensor, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = user_inputs([[1, 2, 3], [9]])
    ranker(inputs, users, ITEMS)
    random = np.random.default_rng(4)
    for variable in ranker.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    relevance, rating = ranker(inputs, users, ITEMS)
    for column in range(3):
        alone = ranker(inputs, users, ITEMS[:, column : column + 1])
        np.testing.assert_allclose(alone[0][:, 0], relevance[:, column], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(alone[1][:, 0], rating[:, column], rtol=1e-4, atol=1e-4)
    # The history is read: another one gives other scores.
    other = inputs | {features.HISTORY_INDEX: inputs[features.HISTORY_INDEX][::-1]}
    assert np.abs(ranker(other, users, ITEMS)[0] - relevance).max() > 1e-3
