from typing import Any

import pytest
import tensorflow as tf
import tf_keras

from models.training import StopWhenNotFinite, callbacks
from models.validation import VALIDATION_NDCG, VALIDATION_RMSE, Validation


class Dwindling(tf_keras.Model):
    """Its loss is the logarithm of what is left of 5 after each step."""

    def __init__(self) -> None:
        super().__init__(name="dwindling")
        self.left = tf.Variable(5.0)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        return {"loss": tf.math.log(self.left.assign_sub(1.0))}


def test_step_and_batch_are_named_when_the_loss_turns_infinite() -> None:
    model = Dwindling()
    model.compile()
    # 3 batches an epoch: the fifth step leaves 0, whose logarithm is -inf.
    message = "the loss of dwindling is -inf at step 5: batch 2 of epoch 2. Lower its learning_rate"
    with pytest.raises(FloatingPointError, match=message):
        model.fit(tf.range(3), batch_size=1, epochs=9, verbose=0, callbacks=[StopWhenNotFinite()])


def test_training_goes_on_when_the_loss_is_finite() -> None:
    model = Dwindling()
    model.compile()
    history = model.fit(tf.range(4), batch_size=1, verbose=0, callbacks=[StopWhenNotFinite()])
    assert history.history["loss"] == [0.0]  # ln 1


@pytest.mark.parametrize(
    ("metric", "best"),
    # The measures of epochs 1 to 4: what is to rise is best in the second, what is to fall in the
    # third.
    [(VALIDATION_NDCG, 2), (VALIDATION_RMSE, 3)],
)
def test_the_best_epochs_weights_are_kept_when_training_ends(
    metric: str, best: int, tmp_path: Any
) -> None:
    model = Dwindling()
    model.compile()
    measures = iter([0.5, 0.9, 0.1, 0.3])
    validation = Validation(lambda: next(measures), "dwindling", 4, metric)
    kept = callbacks(validation, 9, str(tmp_path))
    # One step an epoch, each of which takes 1 of 5.
    model.fit(tf.range(1), epochs=4, verbose=0, callbacks=kept)
    assert float(model.left) == 5.0 - best
