"""Chooses the leading places of a list one by one: no two alike, no category too often."""

from typing import NamedTuple

import tensorflow as tf

# Both below every value of a candidate, which is between -1 and 2.
PADDING_VALUE = -8.0
CHOSEN_VALUE = -16.0
LEAST_COSINE = -1.0


class CategoryCap(NamedTuple):
    """How many items of one category the leading places may hold.

    Attributes:
        categories: int32 [B, N, width], the numbers of each candidate's categories, 0 pads.
        category_count: they are numbered from 1 to it.
        most: items of one category; at least 1.
        within: leading places that the cap holds for.
    """

    categories: tf.Tensor
    category_count: int
    most: int
    within: int


def greedy_places(
    relevance: tf.Tensor,
    valid: tf.Tensor,
    vectors: tf.Tensor,
    diversity: tf.Tensor,
    steps: tf.Tensor,
    cap: CategoryCap | None = None,
) -> tf.Tensor:
    """Places candidates by maximal marginal relevance; the rest follow as they came.

    Each place goes to the candidate with the greatest (1 - diversity) * r - diversity * c, where r
    is its relevance, scaled to 0 to 1 over the row, and c the greatest cosine similarity to what
    stands before it; of equals, to the first. Where a cap leaves nothing to choose, it is waived.

    Args:
        relevance: float32 [B, N], descending over the valid candidates.
        valid: bool [B, N], the valid ones first.
        vectors: float32 [B, N, D], unit rows, or zeros for what is like nothing.
        diversity: float32 [B], 0 to 1; 0 leaves the order.
        steps: int32 [], at most N: the places that are chosen one by one.
        cap: of categories, if any.

    Returns:
        int32 [B, N], smaller for what stands earlier, each once in a row.

    Source: Carbonell & Goldstein 1998, doi:10.1145/290941.291025.
    """
    weight = diversity[:, tf.newaxis]
    gain = tf.where(valid, (1.0 - weight) * _scaled(relevance, valid), PADDING_VALUE)
    columns = tf.range(tf.shape(relevance)[1])
    later = tf.zeros_like(relevance, tf.int32) + steps + columns
    counter = None if cap is None else _CategoryCounter(cap)

    def choose(
        step: tf.Tensor, place: tf.Tensor, gain: tf.Tensor, nearest: tf.Tensor, counts: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        value = gain - weight * nearest
        if counter is not None:
            value = counter.hide_full(value, counts, step)
        chosen = tf.argmax(value, axis=1, output_type=tf.int32)[:, tf.newaxis]
        here = columns == chosen
        vector = tf.gather(vectors, chosen, axis=1, batch_dims=1)
        cosine = tf.reduce_sum(vectors * vector, axis=2)
        return (
            step + 1,
            tf.where(here, step, place),
            tf.where(here, CHOSEN_VALUE, gain),
            tf.maximum(nearest, cosine),
            counts if counter is None else counter.with_chosen(counts, chosen),
        )

    nothing = tf.constant(0)
    state = (
        nothing,
        later,
        gain,
        tf.fill(tf.shape(gain), LEAST_COSINE),
        nothing if counter is None else counter.none(),
    )
    return tf.while_loop(lambda step, *_: step < steps, choose, state)[1]


class _CategoryCounter:
    """Counts the chosen items of each row's categories, in one flat vector for speed."""

    def __init__(self, cap: CategoryCap):
        self._cap = cap
        self._slots = tf.shape(cap.categories)[0] * (cap.category_count + 1)
        first = tf.range(0, self._slots, cap.category_count + 1)
        self._slot = cap.categories + first[:, tf.newaxis, tf.newaxis]
        self._counted = tf.cast(cap.categories > 0, tf.int32)

    def none(self) -> tf.Tensor:
        """Returns the counts before the first choice, int32 [B * (categories + 1)]."""
        return tf.zeros([self._slots], tf.int32)

    def with_chosen(self, counts: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """Returns the counts with one more item of each row, chosen int32 [B, 1]."""
        slot = tf.gather(self._slot, chosen, axis=1, batch_dims=1)
        counted = tf.gather(self._counted, chosen, axis=1, batch_dims=1)
        return tf.tensor_scatter_nd_add(counts, slot[..., tf.newaxis], counted)

    def hide_full(self, value: tf.Tensor, counts: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Lowers the values [B, N] of items of full categories, unless no others are left."""
        full = tf.reduce_any(tf.gather(counts, self._slot) >= self._cap.most, axis=2)
        full &= step < self._cap.within
        others = ~full & (value > PADDING_VALUE / 2.0)
        return tf.where(full & tf.reduce_any(others, axis=1, keepdims=True), CHOSEN_VALUE, value)


def _scaled(relevance: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Returns relevance scaled to 0 to 1 over each row's valid values; 0 where all are equal."""
    highest = tf.reduce_max(tf.where(valid, relevance, relevance.dtype.min), axis=1, keepdims=True)
    lowest = tf.reduce_min(tf.where(valid, relevance, relevance.dtype.max), axis=1, keepdims=True)
    return tf.math.divide_no_nan(relevance - lowest, highest - lowest)
