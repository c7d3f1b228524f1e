"""Item-to-item weights in the graph."""

import numpy as np
import tensorflow as tf

from models.candidates.co_visitation import NeighbourTable


class ItemNeighbours(tf.Module):
    """Sums what the items of histories speak for; core operations alone."""

    def __init__(self, table: NeighbourTable, name: str):
        """Keeps the table.

        Args:
            table: of the catalogue; index 0 speaks for nothing.
            name: the module's name.
        """
        super().__init__(name=name)
        # Variables: a large constant would be written into the graph.
        self.index = tf.Variable(table.index, trainable=False, name="index")
        self.weight = tf.Variable(table.weight, trainable=False, name="weight")

    def nearest(self, history: tf.Tensor, number: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the first neighbours of each item of a history.

        Args:
            history: int32 [B, H], 0 pads.
            number: of neighbours an item, at most.

        Returns:
            Item indices int32 [B, H, n], 0 pads, and weights float32, the same; n is `number`, or
            less where the table has no more.
        """
        number = min(number, self.index.shape[1])
        return (
            tf.gather(self.index, history)[:, :, :number],
            tf.gather(self.weight, history)[:, :, :number],
        )

    def scores(
        self, history: tf.Tensor, strength: tf.Tensor, candidates: tf.Tensor, slots: tf.Tensor
    ) -> tf.Tensor:
        """Sums, for each candidate, the weights that the items of a history have for it.

        Args:
            history: int32 [B, H], 0 pads.
            strength: float32 [H, S], by which the weights of each place count, in S ways.
            candidates: int32 [B, C], 0 pads.
            slots: of the candidates, see `slots_of`.

        Returns:
            float32 [B, S, C], 0 for padding.
        """
        rows, size = tf.shape(candidates)[0], tf.shape(candidates)[1]
        # Only what is there: of histories of unequal length, most is padding.
        places = tf.where(history > 0)
        items, row = tf.gather_nd(history, places), places[:, :1]
        key = row * tf.shape(slots, tf.int64)[1] + _long(tf.gather(self.index, items))
        slot = tf.gather(tf.reshape(slots, [-1]), key)
        count = tf.gather(strength, places[:, 1])
        weight = tf.gather(self.weight, items)[:, :, tf.newaxis] * count[:, tf.newaxis, :]
        summed = tf.math.unsorted_segment_sum(
            weight, tf.cast(row, tf.int32) * (size + 1) + slot, rows * (size + 1)
        )
        summed = tf.reshape(summed, tf.stack([rows, size + 1, strength.shape[1]]))
        # An item that is there twice has one slot.
        own = tf.gather(slots, candidates, axis=1, batch_dims=1)
        found = tf.gather(summed, own, axis=1, batch_dims=1)
        found = tf.where((candidates > 0)[:, :, tf.newaxis], found, 0.0)
        return tf.transpose(found, [0, 2, 1])


def slots_of(candidates: tf.Tensor, catalogue_size: int) -> tf.Tensor:
    """Returns the last place, from 1, of each item among the candidates.

    It is as wide as the catalogue: make it once for all tables.

    Args:
        candidates: int32 [B, C], 0 pads.
        catalogue_size: N.

    Returns:
        int32 [B, N+1], by item index; 0 for an item that is no candidate.
    """
    rows, size = tf.shape(candidates)[0], tf.shape(candidates)[1]
    place = tf.where(candidates > 0, tf.range(1, size + 1), 0)
    row = tf.repeat(tf.range(rows)[:, tf.newaxis], size, axis=1)
    where = tf.reshape(tf.stack([row, candidates], axis=2), [-1, 2])
    none = tf.zeros(tf.stack([rows, catalogue_size + 1]), tf.int32)
    return tf.tensor_scatter_nd_max(none, where, tf.reshape(place, [-1]))


def _long(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.int64)


def recency(length: int, decay: float) -> tf.Tensor:
    """Returns how much each place of a history counts, newest first: float32 [length, 2].

    Args:
        length: places.
        decay: places further back, at which one counts 1/e.

    Returns:
        By how recent the place is, and all alike.
    """
    recent = np.exp(-np.arange(length) / decay)
    return tf.constant(np.stack([recent, np.ones(length)], axis=1), tf.float32)
