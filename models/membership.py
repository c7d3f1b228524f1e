"""Batched set membership in the graph."""

import tensorflow as tf


def is_member(values: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
    """Tells which values are in their row's set.

    A sort and a binary search: memory grows with the sets, not with sets times values, so users
    with thousands of seen items stay cheap.

    Args:
        values: int32 [B, N].
        members: int32 [B, M], any order, any padding that no value equals.

    Returns:
        bool [B, N].
    """
    if members.shape[1] == 0:
        return tf.zeros_like(values, tf.bool)
    # A sentinel column keeps the search position in bounds, and rows non-empty when M is dynamic.
    sentinel = tf.fill([tf.shape(members)[0], 1], members.dtype.max)
    ordered = tf.sort(tf.concat([members, sentinel], axis=1), axis=1)
    position = tf.searchsorted(ordered, values, side="left")
    return tf.gather(ordered, position, axis=1, batch_dims=1) == values
