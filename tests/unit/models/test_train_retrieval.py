import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.item_table import ItemTable
from models.options import RetrievalOptions
from models.retrieval import TwoTowerRetrieval
from models.retrieval_export import save_retrieval
from models.train_retrieval import fit
from models.training import seed_everything

OPTIONS = RetrievalOptions(
    embedding_dimension=8,
    hidden_units=16,
    batch_size=64,
    uniform_negatives=32,
    learning_rate=0.02,
    max_epochs=12,
    patience=12,
)


@pytest.fixture(scope="module")
def train(
    table: ItemTable,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[RetrievalOptions], tuple[TwoTowerRetrieval, list[float]]]:
    def run(options: RetrievalOptions) -> tuple[TwoTowerRetrieval, list[float]]:
        seed_everything(7)
        model = TwoTowerRetrieval(table, 16, options)
        folder = str(tmp_path_factory.mktemp("logs"))
        history = fit(model, in_memory(interactions), options, 7, folder)
        assert list(pathlib.Path(folder).rglob("events.out.tfevents*"))
        return model, history.history["loss"]

    return run


@pytest.fixture(scope="module")
def trained(
    train: Callable[[RetrievalOptions], Any],
) -> tuple[TwoTowerRetrieval, list[float]]:
    return train(OPTIONS)


def test_own_taste_ranks_first_when_trained(
    trained: Any, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    model, _ = trained
    users = model.embed_users(user_inputs([[1, 5, 9], [2, 6, 10]]))
    scores = tf.matmul(users, model.embed_items(tf.range(1, 25)), transpose_b=True).numpy()
    # 12 of 24 items are of the history's parity: all of them stand before all others.
    order = np.argsort(-scores, axis=1) + 1
    assert set(order[0, :12]) == set(range(1, 25, 2))
    assert set(order[1, :12]) == set(range(2, 25, 2))


def test_losses_are_equal_when_the_seed_is(train: Any, trained: Any) -> None:
    again, losses = train(OPTIONS)
    assert losses == trained[1]
    assert len(losses) > 1
    first, second = (model.embed_items(tf.range(25)).numpy() for model in (trained[0], again))
    np.testing.assert_array_equal(first, second)


def test_training_stops_with_the_batch_named_when_the_loss_is_nan(train: Any) -> None:
    # The first step throws the weights so far out that their squares are infinite.
    options = OPTIONS.model_copy(update={"learning_rate": 1e30})
    message = "the loss of retrieval is nan at batch 1. Lower its learning_rate"
    with pytest.raises(FloatingPointError, match=message):
        train(options)


def test_export_embeds_alike_when_loaded(
    trained: Any, user_inputs: Callable[..., dict[str, tf.Tensor]], tmp_path: pathlib.Path
) -> None:
    model, _ = trained
    inputs = user_inputs([[3, 4], []])
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype, name)
        for name, value in inputs.items()
    }
    save_retrieval(model, str(tmp_path), specs)
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.embed_users(inputs), model.embed_users(inputs), atol=1e-6)
    index = tf.range(25, dtype=tf.int64)
    np.testing.assert_allclose(loaded.embed_items(index), model.embed_items(index), atol=1e-6)
    assert int(loaded.catalogue_size) == 24
    assert float(loaded.temperature) == pytest.approx(float(model.temperature()))
