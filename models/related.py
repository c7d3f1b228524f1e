"""Related items: the nearest by direction, whatever their popularity."""

import numpy as np
import tensorflow as tf

from models.index import Index
from models.item_table import FloatArray

UNIT_TOLERANCE = 1e-4  # of a squared length
ROWS_AT_ONCE = 1024  # of the catalogue, whose neighbours are looked up


class RelatedItems(tf.Module):
    """Looks neighbours up where they are few and kept, and searches for more."""

    def __init__(
        self, directions: FloatArray | tf.Variable, index: Index, nominable: int, kept: int
    ):
        """Looks the nearest up.

        Args:
            directions: float32 [N+1, D], unit rows; row 0 is zeros. A variable is shared.
            index: over the directions of items that may be shown.
            nominable: number of those.
            kept: neighbours to keep for each item; 0 searches always.
        """
        super().__init__(name="related_items")
        self._index = index
        self._nominable = nominable
        if not isinstance(directions, tf.Variable):
            directions = tf.Variable(directions, trainable=False, name="directions")
        self._directions = directions
        size = int(directions.shape[0])
        kept = min(kept, nominable)
        found = np.zeros([size, kept], np.int32)
        score = np.zeros(found.shape, np.float32)
        for start in range(0, size if kept else 0, ROWS_AT_ONCE):
            rows = tf.range(start, min(start + ROWS_AT_ONCE, size))
            parts = self._search(rows, tf.constant(kept))
            found[rows.numpy()], score[rows.numpy()] = (part.numpy() for part in parts)
        self._kept = kept
        self._found = tf.Variable(found, trainable=False, name="related")
        self._score = tf.Variable(score, trainable=False, name="related_scores")

    def directions(self, index: tf.Tensor) -> tf.Tensor:
        """Returns what items [...] are like, float32 [..., D]; zeros for 0."""
        return tf.gather(self._directions, index)

    def of(self, index: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the nearest items.

        Args:
            index: int32 [B], 0 for none.
            k: int32 [].

        Returns:
            Items int32 [B, k], 0 pads, and cosines float32 [B, k], best first.
        """
        if not self._kept:
            return self._search(index, k)

        def kept() -> tuple[tf.Tensor, tf.Tensor]:
            return tf.gather(self._found, index)[:, :k], tf.gather(self._score, index)[:, :k]

        return tf.cond(k <= self._kept, kept, lambda: self._search(index, k))

    def _search(self, index: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # One more, for the item itself.
        wanted = tf.minimum(k + 1, self._nominable)
        found, score = self._index.search(self.directions(index), wanted)
        allowed = (found != index[:, tf.newaxis]) & (found > 0) & (index > 0)[:, tf.newaxis]
        padding = [[0, 0], [0, tf.maximum(k - wanted, 0)]]
        found = tf.pad(tf.where(allowed, found, 0), padding)
        score = tf.pad(tf.where(allowed, score, score.dtype.min), padding, constant_values=-np.inf)
        best, place = tf.math.top_k(score, k)
        found = tf.gather(found, place, axis=1, batch_dims=1)
        return found, tf.where(found > 0, best, 0.0)


def are_directions(embeddings: FloatArray, size: int) -> bool:
    """Tells whether embeddings, float32 [n, D] as in `directions`, are what it would return."""
    if embeddings.shape[1] != size:
        return False
    squares = np.einsum("nd,nd->n", embeddings, embeddings)
    return bool(np.all((squares == 0.0) | (np.abs(squares - 1.0) < UNIT_TOLERANCE)))


def directions(embeddings: FloatArray, size: int) -> FloatArray:
    """Returns what items are like, whatever their biases and length: unit rows, float32 [n, size].

    Args:
        embeddings: float32 [n, D], of retrieval.
        size: leading components that are no biases.
    """
    leading = embeddings[:, :size]
    length = np.linalg.norm(leading, axis=1, keepdims=True)
    return (leading / np.where(length > 0.0, length, 1.0)).astype(np.float32)
