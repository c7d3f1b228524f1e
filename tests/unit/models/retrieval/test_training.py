from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models import features
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import TwoTowerOptions
from models.retrieval.training import fit_by_rank, rank_measure


class Fixed(RetrievalModel):
    """Scores item i with i for every user."""

    catalogue_size = 4
    direction_size = 1

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.ones([tf.shape(inputs[features.HISTORY_INDEX])[0], 1])

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        return tf.cast(item_index[:, tf.newaxis], tf.float32)


class Learning(tf_keras.Model, Fixed):
    """Starts with the best scores and learns to turn them round."""

    def __init__(self) -> None:
        super().__init__(name="learning")
        self.catalogue_size = 24
        self.direction = tf.Variable([[1.0]])

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.repeat(self.direction, tf.shape(inputs[features.HISTORY_INDEX])[0], axis=0)

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        self.direction.assign_sub([[1.0]])
        return {"loss": tf.reduce_sum(self.direction)}


def test_ndcg_is_worked_out_by_hand_when_measured() -> None:
    held_out = {
        features.HISTORY_INDEX: np.array([[0], [4]]),
        features.SEEN_INDEX: np.array([[0], [4]]),
        features.ITEM_INDEX: np.array([3, 2]),
    }
    # Row 0: only item 4 stands before item 3, position 2. Row 1 had item 4: item 2 is at 2, too.
    assert rank_measure(Fixed(), held_out)() == pytest.approx(1.0 / np.log2(3.0))


def test_best_epoch_is_kept_when_later_ones_rank_worse(
    interactions: dict[str, Any], in_memory: Callable[..., Any], tmp_path: Any
) -> None:
    columns = {name: column[:64] for name, column in interactions.items()}
    columns[features.HISTORY_INDEX] = np.zeros_like(columns[features.HISTORY_INDEX])
    # Always the last item: best while the direction is above 0.
    columns[features.ITEM_INDEX] = np.full(64, 24)
    model = Learning()
    model.direction.assign([[3.0]])
    options = TwoTowerOptions(batch_size=64, max_epochs=9, patience=2)
    history = fit_by_rank(model, in_memory(columns), options, FitContext(7, None, str(tmp_path)))
    # Epochs end at 2, 1, 0: equal scores place it last of 24, as do turned ones. The first of the
    # best is kept, and two epochs that are no better end the training.
    assert history.history["val_ndcg"] == pytest.approx([1.0, 1.0, 1.0 / np.log2(25.0)])
    assert model.direction.numpy().tolist() == [[2.0]]
