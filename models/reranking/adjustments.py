"""What moves an item's relevance before the order is made: its freshness and its popularity.

Rankers differ in the scale of their scores, so that every adjustment is a multiple of the standard
deviation of the row's own scores: a strength means the same whichever ranker serves.
"""

import math

import tensorflow as tf

# Standard deviations of relevance that an adjustment of 1 is worth: what is new, or one standard
# deviation less popular than the other candidates, moves from the middle into the best 2 %.
REACH = 2.0
LEAST_DEVIATION = 1e-3  # of log-popularity: closer than that, items are equally popular


def worth(relevance: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Returns what an adjustment of 1 is worth in each row's relevance, float32 [B, 1].

    Args:
        relevance: float32 [B, N].
        valid: bool [B, N], what the standard deviation is taken over.
    """
    return REACH * _deviation(_centred(relevance, valid), valid)


def fresh_share(age_days: tf.Tensor, half_life_days: float) -> tf.Tensor:
    """Returns how fresh items are: 1 for a new one, half of it after each half-life.

    Args:
        age_days: float32 [B, N]; NaN, where it is unknown, counts as old, and below 0, for what is
            yet to come, as new.
        half_life_days: above 0.

    Returns:
        float32 [B, N], 0 to 1.
    """
    age = tf.where(tf.math.is_nan(age_days), math.inf, tf.maximum(age_days, 0.0))
    return tf.exp(age * (-math.log(2.0) / half_life_days))


def relative_popularity(log_popularity: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Returns z-scores of popularity over each row's valid items.

    Args:
        log_popularity: float32 [B, N].
        valid: bool [B, N].

    Returns:
        float32 [B, N], 0 where all are equally popular.
    """
    centred = _centred(log_popularity, valid)
    return centred / tf.maximum(_deviation(centred, valid), LEAST_DEVIATION)


def _centred(values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Returns values less their row's mean, 0 where they are not valid."""
    total = tf.reduce_sum(tf.where(valid, values, 0.0), axis=1, keepdims=True)
    return tf.where(valid, values - tf.math.divide_no_nan(total, _count(valid)), 0.0)


def _deviation(centred: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Returns each row's standard deviation, float32 [B, 1], 0 where nothing is valid."""
    squares = tf.reduce_sum(tf.square(centred), axis=1, keepdims=True)
    return tf.sqrt(tf.math.divide_no_nan(squares, _count(valid)))


def _count(valid: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(valid, tf.float32), axis=1, keepdims=True)
