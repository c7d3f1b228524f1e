"""The most popular items a user has not seen."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.membership import is_member
from models.ties import tie_order


class PopularItems(tf.Module):
    """Ranks the whole catalogue by popularity, in core operations.

    Items without any interaction come last, so a list is full wherever the catalogue allows it.
    """

    def __init__(self, counts: npt.ArrayLike, name: str | None = None):
        """Sorts the catalogue.

        Args:
            counts: [n], interactions of items 1 to n.
            name: the module's name.

        Raises:
            ValueError: if counts is empty or not one-dimensional.
        """
        super().__init__(name=name)
        values = np.asarray(counts, np.float32)
        if values.ndim != 1 or not values.size:
            raise ValueError(
                "counts must be one-dimensional with a value for each item. "
                f"Received shape: {values.shape}. Give the whole catalogue."
            )
        order = np.lexsort((tie_order(len(values)), -values))
        self._size = len(values)
        # Variables: a large constant would be written into the graph.
        self._index = tf.Variable((order + 1).astype(np.int32), trainable=False)
        self._share = tf.Variable(values[order] / max(values.max(), 1.0), trainable=False)

    def top(self, excluded: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the k most popular items that are not excluded.

        Among the first k + X items at most X are excluded, so the rest of the catalogue is never
        looked at.

        Args:
            excluded: int32 [B, X], item indices; 0 and negatives pad.
            k: int32 [].

        Returns:
            Item indices int32 [B, k], 0 pads, and scores float32 [B, k]: the item's interactions
            as a share of the most popular item's, 0 pads.
        """
        k = tf.convert_to_tensor(k, tf.int32)
        looked_at = tf.minimum(k + tf.shape(excluded)[1], self._size)
        rows = tf.shape(excluded)[0]
        candidates = tf.tile(self._index[tf.newaxis, :looked_at], [rows, 1])
        place = tf.range(looked_at, dtype=tf.int32)
        # Larger is better for top_k; 0 marks the excluded, and the places the catalogue lacks.
        key = tf.where(is_member(candidates, excluded), 0, looked_at - place)
        key = tf.pad(key, [[0, 0], [0, tf.maximum(k - looked_at, 0)]])
        best = tf.math.top_k(key, k).values
        best_place = tf.maximum(looked_at - best, 0) * tf.cast(best > 0, tf.int32)
        index = tf.where(best > 0, tf.gather(self._index, best_place), 0)
        score = tf.where(best > 0, tf.gather(self._share, best_place), 0.0)
        return index, score
