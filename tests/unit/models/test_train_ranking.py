from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.options import RankingOptions
from models.ranker import Ranker
from models.ranking import RankingModel
from models.ranking_export import save_ranker
from models.train_ranking import fit
from models.training import seed_everything

OPTIONS = RankingOptions(
    hidden_units=16,
    batch_size=64,
    negatives=16,
    rating_weight=1.0,
    learning_rate=0.02,
    max_epochs=6,
    patience=6,
    dropout=0.0,
)


class PlantedRetrieval(tf.Module):
    """Embeds users by the item they took last, so with a perfect sense of taste, or none."""

    def __init__(self, items: Any, blind: bool) -> None:
        super().__init__()
        self.items = tf.constant(items)
        self.blind = blind

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        own = tf.gather(self.items, inputs[features.HISTORY_INDEX][:, 0])
        return tf.zeros_like(own) + [0.0, 0.0, 1.0] if self.blind else own


def item_vectors() -> Any:
    """Unit vectors [25, 3]: the first axis for odd items, the second for even ones."""
    vectors = np.zeros([25, 3], np.float32)
    vectors[1::2, 0] = vectors[2::2, 1] = 1.0
    return vectors


@pytest.fixture(scope="module")
def train(
    table: ItemTable,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[RankingModel, list[float]]]:
    def run(blind: bool, explicit: bool = True, **changes: Any) -> tuple[RankingModel, list[float]]:
        options = OPTIONS.model_copy(update=changes)
        seed_everything(3)
        ranker = Ranker(table, item_vectors(), 0.1, 4.5 if explicit else 0.0, options)
        retrieval = PlantedRetrieval(item_vectors(), blind)
        model = RankingModel(ranker, retrieval, table.log_frequency, explicit, options)
        folder = str(tmp_path_factory.mktemp("logs"))
        history = fit(model, in_memory(interactions), options, 3, folder)
        return model, history.history["loss"]

    return run


@pytest.fixture(scope="module")
def bettered(train: Callable[..., Any]) -> Any:
    return train(blind=True)


def test_correction_ranks_own_taste_first_when_retrieval_is_blind(
    bettered: Any, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    ranker = bettered[0].ranker
    inputs = user_inputs([[1, 5, 9], [2, 6, 10]])
    users = tf.constant([[0.0, 0.0, 1.0]] * 2)
    relevance, rating = ranker(inputs, users, tf.constant([range(1, 25)] * 2))
    order = np.argsort(-relevance.numpy(), axis=1) + 1
    assert set(order[0, :12]) == set(range(1, 25, 2))
    assert set(order[1, :12]) == set(range(2, 25, 2))
    # Retrieval's logits are all alike, so any share of the correction gives its order.
    assert float(ranker.correction_scale) > 0.0
    # Odd users, who take odd items, rate 5, even ones 4.
    assert rating.numpy()[0, ::2] == pytest.approx(5.0, abs=0.35)
    assert rating.numpy()[1, 1::2] == pytest.approx(4.0, abs=0.35)


def test_losses_are_equal_when_the_seed_is(train: Callable[..., Any], bettered: Any) -> None:
    assert train(blind=True)[1] == bettered[1]


def test_correction_is_switched_off_when_it_does_not_help(
    train: Callable[..., Any],
    interactions: dict[str, Any],
    user_inputs: Callable[..., dict[str, tf.Tensor]],
) -> None:
    # Steps so long that they throw the order about, on a retrieval that is already right.
    model, _ = train(blind=False, learning_rate=50.0, max_epochs=1)
    assert float(model.ranker.correction_scale) == 0.0
    inputs = user_inputs([[1]])
    relevance, _ = model.ranker(inputs, model.embed_users(inputs), tf.constant([[3, 4]]))
    # Cosines 1 and 0 over the temperature 0.1.
    np.testing.assert_allclose(relevance, [[10.0, 0.0]], rtol=1e-5)


def test_batch_is_smaller_than_the_negatives_when_data_is_scarce(
    train: Callable[..., Any],
) -> None:
    _, losses = train(blind=True, batch_size=4, negatives=64, max_epochs=1)
    assert np.isfinite(losses).all()


def test_training_stops_with_step_and_batch_named_when_the_loss_is_nan(
    train: Callable[..., Any],
) -> None:
    message = "the loss of ranking is (nan|inf) at step [0-9]+: batch [0-9]+ of epoch 1. Lower its"
    with pytest.raises(FloatingPointError, match=message):
        train(blind=True, learning_rate=1e30)


def test_export_scores_alike_when_loaded(
    bettered: Any, user_inputs: Callable[..., dict[str, tf.Tensor]], tmp_path: Any
) -> None:
    ranker = bettered[0].ranker
    inputs = user_inputs([[1, 2], []])
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype, name)
        for name, value in inputs.items()
    }
    save_ranker(ranker, str(tmp_path), specs, None)
    loaded = tf.saved_model.load(str(tmp_path))
    users = tf.constant([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    items = tf.constant([[1, 2, 3], [4, 0, 24]], tf.int64)
    for found, expected in zip(
        loaded.rank(inputs, users, items), ranker(inputs, users, items), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_predicted_ratings_stay_in_the_range_when_one_is_given(
    bettered: Any, user_inputs: Callable[..., dict[str, tf.Tensor]], tmp_path: Any
) -> None:
    ranker = bettered[0].ranker
    inputs = user_inputs([[1, 2]])
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype, name)
        for name, value in inputs.items()
    }
    users, items = tf.constant([[0.6, 0.8, 0.0]]), tf.constant([[1, 2, 3]], tf.int64)
    _, free = ranker(inputs, users, items)
    # A range that lies above all that the ranker says: each rating becomes its lower end.
    low = float(tf.reduce_max(free)) + 1.0
    save_ranker(ranker, str(tmp_path), specs, (low, low + 1.0))
    loaded = tf.saved_model.load(str(tmp_path))
    _, rating = loaded.rank(inputs, users, items)
    np.testing.assert_allclose(rating, [[low] * 3])
