"""Training of the ranker on interactions and sampled negatives."""

from typing import Any

import tensorflow as tf
import tf_keras

from models import features
from models.losses import log_expected_count, sampled_softmax
from models.options import RankingOptions
from models.ranker import Ranker, Tensors


class RankingModel(tf_keras.Model):
    """A ranker with a sampled softmax on relevance and a squared error on ratings."""

    def __init__(
        self,
        ranker: Ranker,
        retrieval: Any,
        log_frequency: tf.Tensor,
        explicit: bool,
        options: RankingOptions,
    ):
        """Joins the ranker with the frozen retrieval model.

        Args:
            ranker: to be trained.
            retrieval: a loaded retrieval export.
            log_frequency: float32 [N+1], natural log of each item's share of interactions.
            explicit: whether labels are ratings.
            options: rates.
        """
        super().__init__(name="ranking")
        self.ranker = ranker
        self._embed_users = retrieval.embed_users
        self._log_frequency = tf.constant(log_frequency)
        self._rating_weight = options.rating_weight if explicit else 0.0
        self._from_interactions = options.negatives // 2
        self._from_catalogue = options.negatives - self._from_interactions
        self.loss_tracker = tf_keras.metrics.Mean(name="loss")
        self.rating_error = tf_keras.metrics.Mean(name="rating_mse")

    def train_step(self, batch: Tensors) -> dict[str, tf.Tensor]:
        """Takes one optimiser step on a batch of interactions."""
        positive_index = batch[features.ITEM_INDEX]
        negative_index = self._negatives(positive_index)
        accidental = positive_index[:, tf.newaxis] == negative_index[tf.newaxis, :]
        log_counts = log_expected_count(
            tf.gather(self._log_frequency, negative_index),
            # Not the configured number: a batch smaller than that gives what it has.
            tf.shape(negative_index)[0] - self._from_catalogue,
            self._from_catalogue,
            self._log_frequency.shape[0] - 1,
        )
        shared = tf.repeat(negative_index[tf.newaxis, :], tf.shape(positive_index)[0], axis=0)
        item_index = tf.concat([positive_index[:, tf.newaxis], shared], axis=1)
        user_embedding = self.embed_users(batch)
        with tf.GradientTape() as tape:
            relevance, rating = self.ranker(batch, user_embedding, item_index, training=True)
            losses = sampled_softmax(relevance[:, 0], relevance[:, 1:], log_counts, accidental)
            rating_error = tf.reduce_mean((rating[:, 0] - batch[features.LABEL_RATING]) ** 2)
            loss = tf.reduce_mean(losses) + self._rating_weight * rating_error
        variables = self.ranker.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.loss_tracker.update_state(loss)
        self.rating_error.update_state(rating_error)
        return {"loss": self.loss_tracker.result(), "rating_mse": self.rating_error.result()}

    def embed_users(self, batch: Tensors) -> tf.Tensor:
        """Returns retrieval's embeddings, float32 [B, D]."""
        names = (*features.USER_FEATURES, features.SEEN_INDEX)
        return self._embed_users({name: batch[name] for name in names})

    def _negatives(self, positive_index: tf.Tensor) -> tf.Tensor:
        """Draws items shared by the batch: some of its own positives, some of the catalogue."""
        from_interactions = tf.random.shuffle(positive_index)[: self._from_interactions]
        from_catalogue = tf.random.uniform(
            [self._from_catalogue], 1, self._log_frequency.shape[0], dtype=positive_index.dtype
        )
        return tf.concat([from_interactions, from_catalogue], axis=0)

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What Keras resets at the start of each epoch."""
        return [self.loss_tracker, self.rating_error]
