"""Makes one list of what several generators nominate."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

NO_SOURCE = -1  # of padding
ROW_STRIDE = 2**32  # above every item index, so that keys of two rows never meet


class Nominations(NamedTuple):
    """What one generator nominates for each row.

    Attributes:
        index: int32 [B, n], item indices, 0 pads.
        score: float32 [B, n], the generator's own.
        round: float32 [B, n], when the item's turn comes: smaller is earlier.
        source: int32 [], the generator's number.
    """

    index: tf.Tensor
    score: tf.Tensor
    round: tf.Tensor
    source: tf.Tensor


class Merged(NamedTuple):
    """One list a row, each item once.

    Attributes:
        index: int32 [B, size], item indices, 0 pads, all of them last.
        score: float32 [B, size], of the generator that came first with the item; 0 pads.
        source: int32 [B, size], the number of that generator; -1 pads.
    """

    index: tf.Tensor
    score: tf.Tensor
    source: tf.Tensor


def merge(
    parts: Sequence[Nominations],
    excluded: tf.Tensor,
    size: tf.Tensor,
    allows: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> Merged:
    """Takes turns: orders nominations by round, keeps each item once and drops what is excluded.

    Args:
        parts: at least one, all of B rows; where rounds are equal, the earlier part comes first,
            and within a part the earlier column.
        excluded: int32 [B, X], item indices never to be returned, 0 pads.
        size: int32 [], at least 1: places of each list.
        allows: further filters, from item indices int32 [B, n] to bool [B, n].

    Returns:
        Lists of the given size.

    Raises:
        ValueError: if there is no part.
    """
    if not parts:
        raise ValueError(
            "parts must hold the nominations of a generator. Received: none. Give one."
        )
    # A place in front of all, which what pads a list is taken from.
    sources = [[NO_SOURCE], *(tf.fill([tf.shape(part.index)[1]], part.source) for part in parts)]
    index = _joined([part.index for part in parts])
    order = 1 + _ascending(tf.concat([part.round for part in parts], axis=1))
    ordered = tf.gather(index, order, axis=1, batch_dims=1)
    kept = _first_seen(ordered, excluded)
    if allows is not None:
        kept &= allows(ordered)
    column = _compacted(order, kept, size)
    return Merged(
        index=tf.gather(index, column, axis=1, batch_dims=1),
        score=tf.gather(_joined([part.score for part in parts]), column, axis=1, batch_dims=1),
        source=tf.gather(tf.concat(sources, axis=0), column),
    )


def _joined(columns: list[tf.Tensor]) -> tf.Tensor:
    """Returns a column of zeros and then all columns, [B, 1 + n]."""
    return tf.concat([tf.zeros([tf.shape(columns[0])[0], 1], columns[0].dtype), *columns], axis=1)


def _ascending(values: tf.Tensor) -> tf.Tensor:
    """Returns the order of each row, int32 [B, n]; equals stay as they are."""
    return tf.math.top_k(-values, tf.shape(values)[1]).indices


def _first_seen(index: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
    """Tells which items come for the first time in their row, bool [B, n], never padding.

    What is excluded counts as having come before: one table of what was seen does for both, and is
    cheaper than sorting either.
    """
    # A column of padding in front makes padding something that came before, too.
    known = tf.pad(excluded, [[0, 0], [1, 0]])
    both = tf.cast(tf.concat([known, index], axis=1), tf.int64)
    row = tf.range(tf.shape(both)[0], dtype=tf.int64)[:, tf.newaxis]
    distinct = tf.unique(tf.reshape(row * ROW_STRIDE + both, [-1])).idx
    place = tf.range(tf.size(distinct))
    first = tf.math.unsorted_segment_min(place, distinct, tf.size(distinct))
    seen_first = tf.reshape(tf.gather(first, distinct) == place, tf.shape(both))
    return seen_first[:, tf.shape(known)[1] :]


def _compacted(values: tf.Tensor, kept: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Moves what is kept to the front of each row.

    Args:
        values: int32 [B, n].
        kept: bool [B, n].
        size: int32 [].

    Returns:
        int32 [B, size], 0 pads.
    """
    rows = tf.shape(values)[0]
    place = tf.cumsum(tf.cast(kept, tf.int32), axis=1) - 1
    target = tf.range(rows)[:, tf.newaxis] * size + place
    source = tf.where(tf.reshape(kept & (place < size), [-1]))
    target = tf.gather(tf.reshape(target, [-1]), source)
    moved = tf.gather(tf.reshape(values, [-1]), source[:, 0])
    return tf.reshape(tf.scatter_nd(target, moved, [rows * size]), [rows, size])
