import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.model import FitContext
from models.retrieval.options import NegativeOptions, SimilarityOptions, TwoTowerOptions
from models.retrieval.two_tower import TwoTowerRetrieval, fit
from models.training import seed_everything

OPTIONS = TwoTowerOptions(
    embedding_dimension=8,
    hidden_units=16,
    batch_size=64,
    negatives=NegativeOptions(drawn=32),
    learning_rate=0.02,
    max_epochs=8,
    patience=8,
)
KINDS = ["cosine", "dot", "euclidean", "dot_over_norm"]


def with_similarity(kind: str) -> TwoTowerOptions:
    return OPTIONS.model_copy(update={"similarity": SimilarityOptions(kind=kind)})


@pytest.fixture(scope="module")
def train(
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[TwoTowerOptions], Any]:
    def run(options: TwoTowerOptions) -> Any:
        seed_everything(7)
        folder = str(tmp_path_factory.mktemp("logs"))
        model = fit(in_memory(interactions), options, FitContext(7, (1.0, 5.0), folder))
        assert list(pathlib.Path(folder).rglob("events.out.tfevents*"))
        return model

    return run


@pytest.fixture(scope="module")
def trained(train: Callable[[TwoTowerOptions], Any]) -> Any:
    return train(OPTIONS)


def assert_own_taste_first(model: Any, inputs: dict[str, tf.Tensor]) -> None:
    scores = model.scorer()(inputs).numpy()[:, 1:]
    # 12 of 24 items are of the history's parity: all of them stand before all others.
    order = np.argsort(-scores, axis=1) + 1
    assert set(order[0, :12]) == set(range(1, 25, 2))
    assert set(order[1, :12]) == set(range(2, 25, 2))


def test_own_taste_ranks_first_when_trained(
    trained: Any, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    assert_own_taste_first(trained, user_inputs([[1, 5, 9], [2, 6, 10]]))


def test_own_taste_ranks_first_when_trained_by_distance(
    train: Callable[[TwoTowerOptions], Any], user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    model = train(with_similarity("euclidean"))
    assert_own_taste_first(model, user_inputs([[1, 5, 9], [2, 6, 10]]))
    assert (model.direction_size, model.embed_items(tf.range(25)).shape[1]) == (8, 10)


def test_models_are_equal_when_the_seed_is(
    train: Callable[[TwoTowerOptions], Any], trained: Any
) -> None:
    again = train(OPTIONS)
    first, second = (model.embed_items(tf.range(25)).numpy() for model in (trained, again))
    np.testing.assert_array_equal(first, second)


def test_training_stops_with_step_and_batch_named_when_the_loss_is_nan(
    train: Callable[[TwoTowerOptions], Any],
) -> None:
    # The first step throws the weights so far out that their squares are infinite.
    options = OPTIONS.model_copy(update={"learning_rate": 1e30})
    message = "the loss of retrieval is nan at step 2: batch 2 of epoch 1. Lower its learning_rate"
    with pytest.raises(FloatingPointError, match=message):
        train(options)


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_logits_spread_like_cosines_when_the_temperature_starts(
    kind: str, table: ItemTable, interactions: dict[str, Any]
) -> None:
    seed_everything(7)
    model = TwoTowerRetrieval(table, 16, with_similarity(kind))
    sample = {name: column[:64] for name, column in interactions.items()}
    batch = {name: tf.constant(column) for name, column in sample.items()}
    model.start_temperature(sample)
    users, items = model.user_tower(batch).numpy(), model.item_tower(tf.range(1, 25)).numpy()
    lengths = np.linalg.norm(users, axis=1)[:, np.newaxis] * np.linalg.norm(items, axis=1)
    cosine_logits = users @ items.T / lengths / 0.1  # the configured temperature
    logits = model.scorer()(batch).numpy()[:, 1:]
    expected = cosine_logits.std(axis=1).mean()
    assert logits.std(axis=1).mean() == pytest.approx(expected, rel=1e-3)


def test_temperature_starts_as_configured_when_there_is_one_item(
    table: ItemTable, interactions: dict[str, Any]
) -> None:
    one = ItemTable(table.content[:2], table.category_multi_hot[:2], table.log_frequency[:2])
    model = TwoTowerRetrieval(one, 16, with_similarity("dot"))
    sample = {name: column[:4] for name, column in interactions.items()}
    sample[features.HISTORY_INDEX] = np.ones([4, 1], np.int64)
    model.start_temperature(sample)
    assert float(model.temperature()) == pytest.approx(0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_finite_when_nothing_is_known(
    kind: str, table: ItemTable, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    model = TwoTowerRetrieval(table, 16, with_similarity(kind))
    assert np.isfinite(model.embed_users(user_inputs([[]]))).all()
    assert np.isfinite(model.embed_items(tf.constant([0]))).all()
