"""Least squares of many rows at once, in TensorFlow: sums over sparse entries, and their solution.

The same operations solve the half steps of WALS and fold users in when the model serves.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from models.errors import UnsuitableDataError
from models.item_table import FloatArray

ENTRIES_AT_ONCE = 2**15  # gathered vectors: 8 MB of 64 floats
MATRIX_FLOATS_AT_ONCE = 2**22  # of the rows' D x D matrices: 16 MB

SINGULAR_CONDITION = 1e6  # with 7 digits, nothing is left of the answer

# From indices int [B, S] to the entries' vectors times the roots of their weights, float32
# [B, S, D], and one over these roots, float32 [B, S], or [] where all entries weigh the same. The
# vectors are zero where the index is 0, the padding.
Entries = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def rows_at_once(dimension: int) -> int:
    """Returns how many rows' matrices fit into MATRIX_FLOATS_AT_ONCE."""
    return max(1, MATRIX_FLOATS_AT_ONCE // dimension**2)


def entry_sums(entries: Entries, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums each row's entries, as many columns at a time as fit into memory.

    Args:
        entries: looks up vectors v and weights c.
        index: int [B, S], 0 pads.

    Returns:
        Sum of c v v', float32 [B, D, D]; sum of v, float32 [B, D, 1].
    """
    rows, width = tf.shape(index)[0], tf.shape(index)[1]
    at_once = tf.maximum(1, ENTRIES_AT_ONCE // tf.maximum(1, rows))

    def sums(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scaled, root = entries(index[:, start : start + at_once])
        if root.shape.rank == 0:
            total = root * tf.reduce_sum(scaled, axis=1)[:, :, tf.newaxis]
        else:
            total = tf.matmul(scaled, root[:, :, tf.newaxis], transpose_a=True)
        return tf.matmul(scaled, scaled, transpose_a=True), total

    def add(
        start: tf.Tensor, outer: tf.Tensor, total: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        more_outer, more_total = sums(start)
        return start + at_once, outer + more_outer, total + more_total

    # Nearly always the first part is all: adding it to zeros would take as long as the sums.
    _, outer, total = tf.while_loop(
        lambda start, *_: start < width, add, (at_once, *sums(tf.constant(0)))
    )
    return outer, total


def solve(matrix: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Solves symmetric positive definite systems.

    Args:
        matrix: float32 [B, D, D].
        right: float32 [B, D, 1].

    Returns:
        float32 [B, D]; NaN where a matrix is not positive definite.
    """
    return tf.linalg.cholesky_solve(tf.linalg.cholesky(matrix), right)[:, :, 0]


def check_condition(shared: FloatArray) -> float:
    """Looks whether systems of which this matrix is a part have a single solution.

    Args:
        shared: float32 [D, D], of unobserved entries, side features and the ridge: the least that a
            system holds.

    Returns:
        Its largest eigenvalue over its smallest.

    Raises:
        ValueError: if it is singular as far as float32 can tell.
    """
    eigenvalues = np.linalg.eigvalsh(shared.astype(np.float64))
    if not eigenvalues[-1] < SINGULAR_CONDITION * eigenvalues[0]:
        raise UnsuitableDataError(
            "least squares must have a single solution. Received: a singular system, as happens "
            "without regularization when vectors have more components than the data can tell "
            "apart. Raise regularization or lower embedding_dimension."
        )
    return float(eigenvalues[-1] / eigenvalues[0])
