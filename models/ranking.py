"""Training of the ranker's two heads."""

import tensorflow as tf
import tf_keras

from models import features
from models.losses import listwise_softmax
from models.ranker import Ranker, Tensors

# Columns of a batch of lists.
CANDIDATES = "candidates"  # float32 [B, C, F]
CHOSEN = "chosen"  # bool [B, C]
OFFERED = "offered"  # bool [B, C]
POSITION = "position"  # float32 [B]
FOLD = "fold"  # int32 [B], the member of the ensemble that does not learn from the list


class _Training(tf_keras.Model):
    """One optimiser step a batch on a loss of the ranker."""

    def __init__(self, ranker: Ranker, name: str):
        super().__init__(name=name)
        self.ranker = ranker
        self.loss_tracker = tf_keras.metrics.Mean(name="loss")

    def batch_loss(self, batch: Tensors) -> tf.Tensor:
        """Returns the loss of a batch, float32 []."""
        raise NotImplementedError

    def train_step(self, batch: Tensors) -> dict[str, tf.Tensor]:
        """Takes one step; only the head that the loss reads moves."""
        with tf.GradientTape() as tape:
            loss = self.batch_loss(batch)
        variables = list(tape.watched_variables())
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What Keras resets at the start of each epoch."""
        return [self.loss_tracker]


class RelevanceTraining(_Training):
    """A listwise softmax over the candidates of a user."""

    def __init__(self, ranker: Ranker):
        """Takes the ranker to train."""
        super().__init__(ranker, "relevance")

    def batch_loss(self, batch: Tensors) -> tf.Tensor:
        """Returns the mean over the chosen items, of all members, and the decay of the weights."""
        opinions = self.ranker.opinions(batch[CANDIDATES], batch[POSITION], training=True)
        losses = []
        for member, logits in enumerate(opinions):
            learned = (batch[FOLD] != member)[:, tf.newaxis]
            chosen = batch[CHOSEN] & learned
            number = tf.reduce_sum(tf.cast(chosen, tf.float32))
            nats = tf.reduce_sum(listwise_softmax(logits, chosen, batch[OFFERED]))
            losses.append(tf.math.divide_no_nan(nats, number))
        return (tf.add_n(losses) + tf.add_n(self.ranker.losses)) / len(losses)


class RatingTraining(_Training):
    """A squared error on the ratings of interactions."""

    def __init__(self, ranker: Ranker):
        """Takes the ranker to train."""
        super().__init__(ranker, "rating")

    def batch_loss(self, batch: Tensors) -> tf.Tensor:
        """Returns the mean squared error, in rating units squared."""
        item_index = batch[features.ITEM_INDEX][:, tf.newaxis]
        rating = self.ranker.rating(batch, item_index, training=True)[:, 0]
        return tf.reduce_mean((rating - batch[features.LABEL_RATING]) ** 2)
