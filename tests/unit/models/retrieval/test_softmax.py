from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.model import FitContext
from models.retrieval.options import NegativeOptions, SoftmaxOptions
from models.retrieval.softmax import SoftmaxRetrieval, fit
from models.training import seed_everything

OPTIONS = SoftmaxOptions(
    embedding_dimension=8,
    hidden_units=16,
    batch_size=64,
    learning_rate=0.02,
    max_epochs=8,
    patience=8,
)


@pytest.fixture
def model(table: ItemTable) -> SoftmaxRetrieval:
    seed_everything(7)
    return SoftmaxRetrieval(table, OPTIONS)


def test_first_loss_is_that_of_guessing_when_weights_are_zero(
    model: SoftmaxRetrieval, interactions: dict[str, Any]
) -> None:
    batch = {name: tf.constant(column[:8]) for name, column in interactions.items()}
    # The biases are the log frequencies, all alike here: -ln(1/24).
    np.testing.assert_allclose(model.losses(batch), np.full(8, np.log(24.0)), rtol=1e-5)


def test_logit_is_weights_times_layer_plus_bias_when_embedded(
    model: SoftmaxRetrieval, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = user_inputs([[1, 2]])
    users = model.embed_users(inputs)
    assert users.shape == (1, 9)
    assert float(users[0, 8]) == 1.0
    model.item_weights.assign(tf.fill([25, 8], 2.0))
    model.item_bias.assign(tf.range(25.0))
    assert model.embed_items(tf.constant([3])).numpy().tolist() == [[2.0] * 8 + [3.0]]
    expected = 2.0 * float(tf.reduce_sum(users[0, :8])) + 3.0
    logit = model(inputs | {features.ITEM_INDEX: tf.constant([3])})
    np.testing.assert_allclose(logit, [expected], rtol=1e-5)
    np.testing.assert_allclose(model.scorer()(inputs)[:, 3], [expected], rtol=1e-5)


def test_embeddings_are_harmless_when_nothing_is_known(
    model: SoftmaxRetrieval, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    assert model.embed_items(tf.constant([0])).numpy().tolist() == [[0.0] * 9]
    assert np.isfinite(model.embed_users(user_inputs([[]]))).all()


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        OPTIONS.model_copy(
            update={"full": False, "negatives": NegativeOptions(kind="mixed", drawn=16)}
        ),
    ],
    ids=["full", "sampled"],
)
def test_own_taste_ranks_first_when_fitted(
    options: SoftmaxOptions,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    user_inputs: Callable[..., dict[str, tf.Tensor]],
    tmp_path: Any,
) -> None:
    seed_everything(7)
    context = FitContext(7, (1.0, 5.0), str(tmp_path))
    model = fit(in_memory(interactions), options, context)
    scores = model.scorer()(user_inputs([[1, 5, 9], [2, 6, 10]])).numpy()[:, 1:]
    # 12 of 24 items are of the history's parity: all of them stand before all others.
    order = np.argsort(-scores, axis=1) + 1
    assert set(order[0, :12]) == set(range(1, 25, 2))
    assert set(order[1, :12]) == set(range(2, 25, 2))
    assert float(model.temperature()) == 1.0


def test_new_items_stand_among_their_categories_when_filled(
    model: SoftmaxRetrieval, table: ItemTable
) -> None:
    model.item_weights.assign(tf.repeat(tf.range(25.0)[:, tf.newaxis], 8, axis=1))
    model.item_bias.assign(tf.range(25.0))
    model.history_embedding.assign(tf.repeat(tf.range(25.0)[:, tf.newaxis], 8, axis=1))
    counts = np.ones(24, np.int64)
    counts[[1, 2]] = 0
    model.fill_cold_items(counts, table)
    # Category 0 has all 22 others: (300 - 2 - 3) / 22. Category 1 has 6, 9, ... 24: their mean 15.
    # Item 2 is in category 0; item 3 in both.
    both = (295 / 22 + 15) / 2
    for variable in (model.item_weights[:, 0], model.item_bias, model.history_embedding[:, 0]):
        np.testing.assert_allclose(variable[:5], [0.0, 1.0, 295 / 22, both, 4.0], rtol=1e-5)


def test_full_softmax_is_refused_when_the_catalogue_is_large(table: ItemTable) -> None:
    options = SoftmaxOptions(max_items=23)
    message = "at most max_items = 23 items. Received: 24. Set retrieval.full to false"
    with pytest.raises(ValueError, match=message):
        SoftmaxRetrieval(table, options)
    SoftmaxRetrieval(table, options.model_copy(update={"full": False}))
