"""What the retrieval models made of user and item factors share."""

from typing import Any

import numpy as np
import tensorflow as tf

from models import features
from models.item_table import FloatArray
from models.retrieval.calibration import calibrate_with_popularity
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.transformed_data import TransformedData


class FactorizedRetrieval(RetrievalModel):
    """Scores a known user by w · x + offset; an unknown one, whose w is 0, by the offset alone.

    The score says how an item will please; the logit of its choice is the score, weighted, plus a
    weight times the log of the item's frequency. What is the same for all items of a user, as the
    user's bias, is left out of both.
    """

    def __init__(self, user: FloatArray, item: FloatArray, offset: FloatArray):
        """Takes the factors.

        Args:
            user: float32 [U+1, K], by user index; row 0 is zeros.
            item: float32 [N+1, K], by item index.
            offset: float32 [N+1], part of the score that does not depend on the user.
        """
        super().__init__(name="retrieval")
        self.catalogue_size = len(item) - 1
        self.direction_size = item.shape[1]
        self.user_factors = tf.Variable(user, name="user_factors")
        self.item_factors = tf.Variable(item, name="item_factors")
        self.item_offset = tf.Variable(offset, trainable=False, name="item_offset")
        self.score_weight = tf.Variable(1.0, trainable=False, name="score_weight")
        # Learned, like the factors: the part of the logit that does not depend on the user.
        self.item_logit = tf.Variable(offset, name="item_logit")

    def embed_users(self, inputs: Tensors) -> tf.Tensor:
        """Returns w and a 1, float32 [B, K+1]."""
        factors = tf.gather(self.user_factors, inputs[features.USER_INDEX])
        return tf.concat([factors, tf.ones_like(factors[:, :1])], axis=1)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the weighted x and the item's own part of the logit, float32 [n, K+1]."""
        factors = self.score_weight * tf.gather(self.item_factors, item_index)
        return tf.concat([factors, tf.gather(self.item_logit, item_index)[:, tf.newaxis]], axis=1)

    def temperature(self) -> tf.Tensor:
        """Returns 1: dot products are logits already."""
        return tf.constant(1.0)

    def calibrate(self, data: TransformedData, options: Any, context: FitContext) -> None:
        """Sets the weights of the score and of popularity in the logit; until then it is the score.

        Args:
            data: the transformed examples.
            options: of the family.
            context: for the seed.
        """
        of_score, of_popularity = calibrate_with_popularity(self.scorer(), data, options, context)
        log_frequency = data.items().log_frequency
        self.score_weight.assign(of_score)
        self.item_logit.assign(
            of_score * self.item_offset.numpy() + np.float32(of_popularity) * log_frequency
        )
