"""Validation by rank: where the item that a user chose next stands in the model's list."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from models.losses import MASKED_LOGIT
from models.progress import report

Columns = dict[str, npt.NDArray[np.generic]]

MAX_BATCH = 256
SCORES_AT_ONCE = 20_000_000  # float32: some 80 MB, and a few copies of it
VALIDATION_NDCG = "val_ndcg"
VALIDATION_RMSE = "val_rmse"
_LABELS = {VALIDATION_NDCG: "nDCG", VALIDATION_RMSE: "RMSE"}


def mean_ndcg(
    interactions: Columns,
    position: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    catalogue_size: int,
) -> float:
    """Averages 1/log2(1 + position) of the chosen items.

    With one relevant item a list, this is nDCG without a cut-off.

    Args:
        interactions: transformed interactions, each column [n, ...].
        position: gives each row's position from 1, float32 [B], infinite when not listed.
        catalogue_size: scores a row; rows are asked for in batches that fit into memory.

    Returns:
        The mean, between 0 and 1.
    """
    gains = [
        1.0 / np.log2(1.0 + position(batch).numpy())
        for batch in row_batches(interactions, catalogue_size)
    ]
    return float(np.mean(np.concatenate(gains)))


def row_batches(columns: Columns, catalogue_size: int) -> Iterator[dict[str, tf.Tensor]]:
    """Yields rows in batches of which all items' scores fit into memory.

    Args:
        columns: each [n, ...].
        catalogue_size: scores a row.

    Yields:
        The columns of the next rows.
    """
    number = min(MAX_BATCH, max(1, SCORES_AT_ONCE // catalogue_size))
    for start in range(0, len(next(iter(columns.values()))), number):
        yield {name: tf.constant(col[start : start + number]) for name, col in columns.items()}


def mask_seen(scores: tf.Tensor, seen_index: tf.Tensor) -> tf.Tensor:
    """Masks the unknown item and what the users have seen.

    Args:
        scores: float32 [B, N+1], by item index.
        seen_index: int [B, S], 0 pads.

    Returns:
        float32 [B, N+1].
    """
    rows = tf.range(tf.shape(seen_index, out_type=seen_index.dtype)[0])
    rows = tf.repeat(rows[:, tf.newaxis], tf.shape(seen_index)[1], axis=1)
    where = tf.reshape(tf.stack([rows, seen_index], axis=-1), [-1, 2])
    masked = tf.tensor_scatter_nd_update(scores, where, tf.fill([tf.shape(where)[0]], MASKED_LOGIT))
    unknown = tf.fill([tf.shape(scores)[0], 1], MASKED_LOGIT)
    return tf.concat([unknown, masked[:, 1:]], axis=1)


def position_of(scores: tf.Tensor, item_index: tf.Tensor) -> tf.Tensor:
    """Returns the place of each row's item among the scores, from 1.

    Args:
        scores: float32 [B, N+1], by item index.
        item_index: int [B].

    Returns:
        float32 [B]; equal scores count as better, so that a constant model is not flattered.
    """
    own = tf.gather(scores, item_index, axis=1, batch_dims=1)[:, tf.newaxis]
    return tf.reduce_sum(tf.cast(scores >= own, tf.float32), axis=1)


class Validation(tf_keras.callbacks.Callback):
    """Adds a validation measure to an epoch's logs; place it before what reads them."""

    def __init__(
        self,
        measure: Callable[[], float],
        name: str,
        max_epochs: int,
        metric: str = VALIDATION_NDCG,
    ):
        """Makes the callback.

        Args:
            measure: judges the model as it is.
            name: of the training, for the progress line.
            max_epochs: for the progress line.
            metric: VALIDATION_NDCG, which is to rise, or VALIDATION_RMSE, which is to fall.
        """
        super().__init__()
        self.metric = metric
        self._measure = measure
        self._name = name
        self._max_epochs = max_epochs

    @property
    def mode(self) -> str:
        """Which way is better, as Keras' early stopping says it."""
        return "max" if self.metric == VALIDATION_NDCG else "min"

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Measures."""
        logs[self.metric] = self._measure()
        report(
            f"{self._name}: epoch {epoch + 1} of at most {self._max_epochs}, loss "
            f"{logs['loss']:.3f}, validation {_LABELS[self.metric]} {logs[self.metric]:.4f}"
        )
