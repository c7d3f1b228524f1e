"""Profiles of users whom no run has seen, made of the history that a request brings along."""

import tensorflow as tf

from models import features
from models.candidates.generators import Tensors


class StrangerProfiles(tf.Module):
    """Gives a stranger the features that a user with the same history would have.

    Ratings are not in a request: what depends on them stays as of a user without any.
    """

    def __init__(self, categories: tf.Variable, intercept: float, slope: float):
        """Keeps what the features are made of.

        Args:
            categories: float32 [N+1, C], category slots of items by their index.
            intercept: of the scaled log count, at no interaction.
            slope: of the same, for each unit of ln(1 + interactions).
        """
        super().__init__(name="stranger_profiles")
        self._categories = categories
        self._intercept = intercept
        self._slope = slope

    def of(self, inputs: Tensors, stranger: tf.Tensor) -> Tensors:
        """Completes the features of strangers.

        Args:
            inputs: transformed user features with the request's history, each [B, ...].
            stranger: bool [B].

        Returns:
            The same with a category profile and the number of interactions for strangers who bring
            a history.
        """
        history = inputs[features.HISTORY_INDEX]
        told = stranger & tf.reduce_any(history > 0, axis=1)
        told = told[:, tf.newaxis]
        # Row 0, of padding, has no category.
        sums = tf.reduce_sum(tf.gather(self._categories, history), axis=1)
        share = tf.math.divide_no_nan(sums, tf.reduce_sum(sums, axis=1, keepdims=True))
        seen = inputs[features.SEEN_INDEX] > 0
        number = tf.cast(tf.math.count_nonzero(seen, axis=1), tf.float32)
        statistics = inputs[features.USER_STATISTICS]
        count = self._intercept + self._slope * tf.math.log1p(number)
        counted = tf.concat([count[:, tf.newaxis], statistics[:, 1:]], axis=1)
        own = inputs[features.USER_CATEGORY_SHARE]
        return inputs | {
            features.USER_CATEGORY_SHARE: tf.where(told, share, own),
            features.USER_STATISTICS: tf.where(told, counted, statistics),
        }
