"""What both trainings share: seeds, callbacks, the options that TFX hands over."""

import random
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.validation import VALIDATION_NDCG, RankValidation


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, so that a run can be repeated."""
    tf_keras.backend.clear_session()
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)


def callbacks(validation: RankValidation, patience: int, log_folder: str) -> list[Any]:
    """Returns validation, early stopping at the best epoch's weights, and TensorBoard logs."""
    return [
        validation,
        tf_keras.callbacks.EarlyStopping(
            monitor=VALIDATION_NDCG, mode="max", patience=patience, restore_best_weights=True
        ),
        StopWhenNotFinite(),
        tf_keras.callbacks.TensorBoard(log_folder, write_graph=False),
    ]


class StopWhenNotFinite(tf_keras.callbacks.Callback):
    """Stops a training that has turned NaN: there is nothing left to learn from."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Looks at the loss."""
        if not np.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"the loss of {self.model.name} is {logs['loss']} at batch {batch}. "
                "Lower its learning_rate or raise its temperature."
            )
