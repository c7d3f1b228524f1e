"""What both trainings share: seeds, callbacks, the options that TFX hands over."""

import random
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.validation import Validation


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, so that a run can be repeated."""
    tf_keras.backend.clear_session()
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)


def callbacks(validation: Validation, patience: int, log_folder: str) -> list[Any]:
    """Returns validation, early stopping at the best epoch's weights, and TensorBoard logs."""
    return [
        validation,
        tf_keras.callbacks.EarlyStopping(
            monitor=validation.metric,
            mode=validation.mode,
            patience=patience,
            restore_best_weights=True,
        ),
        StopWhenNotFinite(),
        tf_keras.callbacks.TensorBoard(log_folder, write_graph=False),
    ]


class StopWhenNotFinite(tf_keras.callbacks.Callback):
    """Stops a training that has turned NaN: there is nothing left to learn from."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Counts from here."""
        self._epoch = 0
        self._step = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Takes down the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Looks at the loss.

        Raises:
            FloatingPointError: if it is not finite; batches, epochs and steps count from 1.
        """
        self._step += 1
        if not np.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"the loss of {self.model.name} is {logs['loss']} at step {self._step}: batch "
                f"{batch + 1} of epoch {self._epoch}. Lower its learning_rate."
            )
