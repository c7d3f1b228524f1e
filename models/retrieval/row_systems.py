"""The systems of a half step: a row's least squares against a side that is left as it is."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from models.item_table import FloatArray
from models.retrieval.normal_equations import entry_sums, solve
from models.retrieval.padded_rows import PaddedRows
from models.retrieval.short_rows import SHORT_ROW, Rotation, solve_short_batch

# What an observed entry weighs beyond an unobserved one, at least, so that one over it is finite.
MIN_OBSERVED = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Fixed:
    """The side that a half step leaves as it is, and what all rows to solve share.

    Attributes:
        scaled: float32 [M+1, D], vectors times the roots of their weights.
        root: float32 [M+1], one over these roots; 0 for index 0.
        gram: float32 [D, D], of unobserved entries.
        common: float32 [D, D], of the ridge and of side features.
        rotation: for short rows, where they can be solved by it.
        alike: whether all roots but that of index 0 are the same.
    """

    scaled: tf.Tensor
    root: tf.Tensor
    gram: tf.Tensor
    common: tf.Tensor
    rotation: Rotation | None
    alike: bool


@dataclass(frozen=True)
class RowWeights:
    """What differs from row to row, by row index.

    Attributes:
        unobserved: float32 [R+1], times the Gram matrix of unobserved entries.
        observed: float32 [R+1], times the sum over observed entries.
        right: float32 [R+1, D], what side features add to the right side.
    """

    unobserved: FloatArray
    observed: FloatArray
    right: FloatArray


def entry_roots(unobserved: FloatArray) -> FloatArray:
    """Returns the root of what an observed entry weighs beyond an unobserved one.

    Args:
        unobserved: float32 [N+1].

    Returns:
        float32 [N+1]; 0 for index 0. Elsewhere at least the root of MIN_OBSERVED.
    """
    roots = np.sqrt(np.maximum(1.0 - unobserved, MIN_OBSERVED))
    roots[0] = 0.0
    return roots


def solve_rows(
    fixed: Fixed, weights: RowWeights, rows: list[PaddedRows], regularization: float
) -> FloatArray:
    """Solves rows of a sparse table.

    Args:
        fixed: the other side.
        weights: of each row.
        rows: the observed entries.
        regularization: λ.

    Returns:
        float32 [R+1, D]; rows in no batch are zero.
    """
    solution = np.zeros_like(weights.right)

    def work(batch: PaddedRows) -> None:
        solution[batch.row] = _solve(fixed, weights, batch, regularization).numpy()

    # Each batch writes its own rows, so the order in which they end does not matter. TensorFlow
    # splits the work of one operation too, but not that of copies and small ones.
    # One thread more than processors, so that none waits while a solution is copied.
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as threads:
        list(threads.map(work, rows))
    return solution


def _solve(
    fixed: Fixed, weights: RowWeights, batch: PaddedRows, regularization: float
) -> tf.Tensor:
    own = batch.row
    index = tf.constant(batch.column)
    unobserved, observed = weights.unobserved[own], weights.observed[own]
    if np.ptp(unobserved) == 0.0 and np.ptp(observed) == 0.0:
        unobserved, observed = unobserved[:1], observed[:1]
    unobserved, observed = tf.constant(unobserved), tf.constant(observed)
    turned = fixed.rotation
    if turned is not None and index.shape[1] <= SHORT_ROW * fixed.gram.shape[0]:
        return solve_short_batch(
            turned.scaled,
            fixed.root,
            turned.basis,
            turned.eigenvalues,
            tf.constant(regularization),
            index,
            unobserved,
            observed,
        )
    return solve_batch(
        fixed.scaled,
        fixed.root,
        fixed.gram,
        fixed.common,
        index,
        unobserved,
        observed,
        tf.constant(weights.right[own]),
        fixed.alike,
    )


@tf.function(reduce_retracing=True)
def solve_batch(
    scaled: tf.Tensor,
    root: tf.Tensor,
    gram: tf.Tensor,
    common: tf.Tensor,
    index: tf.Tensor,
    unobserved: tf.Tensor,
    observed: tf.Tensor,
    right: tf.Tensor,
    alike: bool,
) -> tf.Tensor:
    """Solves a batch of rows.

    Args:
        scaled: float32 [M+1, D]; see `Fixed`, as for the next three.
        root: float32 [M+1].
        gram: float32 [D, D].
        common: float32 [D, D].
        index: int32 [B, S], each row's observed entries, 0 pads.
        unobserved: float32 [B], or [1] for all; see `RowWeights`, as for the next two.
        observed: float32 [B] or [1], positive.
        right: float32 [B, D].
        alike: whether all entries weigh the same, and their vectors' sum need not weigh them.

    Returns:
        float32 [B, D].
    """

    def entries(part: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(scaled, part), root[1] if alike else tf.gather(root, part)

    outer, total = entry_sums(entries, index)
    # Divided by `observed`, which spares one pass over all matrices.
    matrix = outer + (
        (unobserved / observed)[:, tf.newaxis, tf.newaxis] * gram
        + common / observed[:, tf.newaxis, tf.newaxis]
    )
    return solve(matrix, (total + right[:, :, tf.newaxis]) / observed[:, tf.newaxis, tf.newaxis])
