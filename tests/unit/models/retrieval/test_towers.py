from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.options import TwoTowerOptions
from models.retrieval.two_tower import TwoTowerRetrieval


@pytest.fixture(scope="module")
def model(table: ItemTable) -> TwoTowerRetrieval:
    options = TwoTowerOptions(embedding_dimension=4, hidden_units=8)
    return TwoTowerRetrieval(table, 16, options)


def test_vectors_have_unit_length_when_embedded(
    model: TwoTowerRetrieval, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    users = model.embed_users(user_inputs([[1, 2, 3], [5], []]))
    items = model.embed_items(tf.range(1, 25))
    assert (users.shape, items.shape) == ((3, 4), (24, 4))
    np.testing.assert_allclose(tf.norm(users, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(tf.norm(items, axis=1), 1.0, rtol=1e-5)


def test_order_matters_and_padding_does_not_when_history_is_read(
    model: TwoTowerRetrieval, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = user_inputs([[1, 2], [2, 1]])
    there, back = model.embed_users(inputs).numpy()
    assert np.abs(there - back).max() > 1e-4
    history = inputs[features.HISTORY_INDEX]
    longer = inputs | {features.HISTORY_INDEX: tf.pad(history, [[0, 0], [0, 7]])}
    np.testing.assert_allclose(model.embed_users(longer)[0], there, atol=1e-6)


def test_ids_are_dropped_when_training_alone(
    table: ItemTable, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    options = TwoTowerOptions(
        embedding_dimension=4, hidden_units=8, dropout=0.0, user_id_dropout=1.0
    )
    model = TwoTowerRetrieval(table, 16, options)
    known = user_inputs([[1]]) | {features.USER_INDEX: tf.constant([3], tf.int64)}
    unknown = model.embed_users(user_inputs([[1]]))
    np.testing.assert_allclose(model.embed_users(known, training=True), unknown, atol=1e-6)
    assert np.abs(model.embed_users(known) - unknown).max() > 1e-5


def test_logit_is_the_cosine_over_the_temperature_when_called(
    model: TwoTowerRetrieval, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = user_inputs([[1, 2]])
    cosine = float(model.embed_users(inputs)[0].numpy() @ model.embed_items([7])[0].numpy())
    logit = model(inputs | {features.ITEM_INDEX: tf.constant([7])})
    assert float(model.temperature()) == pytest.approx(0.1, rel=1e-5)  # the default start
    assert logit.numpy().tolist() == pytest.approx([cosine / 0.1], rel=1e-4)
