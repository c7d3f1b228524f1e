"""Least squares of rows with fewer entries than the vectors have components.

In the basis where the part that all rows share is the identity, a row's D x D system is
(I + Z'Z) y = Z't with one row of Z an entry. Its solution is Z' (I + ZZ')^-1 t, from a system of
S x S, and for a row of a few entries that takes a fraction of the time.

Source: the push-through identity; Henderson and Searle 1981, doi:10.1137/1023004.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

SHORT_ROW = 0.65  # entries over components; with more, the D x D system is solved sooner
WORST_CONDITION = 1e5  # of the part that rows share: beyond it, float32 loses the answer


@dataclass(frozen=True)
class Rotation:
    """The fixed side in the basis of the eigenvectors of its Gram matrix.

    Attributes:
        scaled: float32 [M+1, D], vectors times the roots of their weights, rotated.
        basis: float32 [D, D], an eigenvector a column.
        eigenvalues: float32 [D].
    """

    scaled: tf.Tensor
    basis: tf.Tensor
    eigenvalues: tf.Tensor


def rotation(scaled: tf.Tensor, gram: tf.Tensor) -> Rotation:
    """Rotates the fixed side into the basis of its Gram matrix.

    Args:
        scaled: float32 [M+1, D].
        gram: float32 [D, D], of unobserved entries.
    """
    eigenvalues, basis = np.linalg.eigh(gram.numpy().astype(np.float64))
    turned = tf.constant(basis, tf.float32)
    nonnegative = tf.constant(np.maximum(eigenvalues, 0.0), tf.float32)
    return Rotation(tf.matmul(scaled, turned), turned, nonnegative)


@tf.function(reduce_retracing=True)
def solve_short_batch(
    scaled: tf.Tensor,
    root: tf.Tensor,
    basis: tf.Tensor,
    eigenvalues: tf.Tensor,
    regularization: tf.Tensor,
    index: tf.Tensor,
    unobserved: tf.Tensor,
    observed: tf.Tensor,
) -> tf.Tensor:
    """Solves a batch of short rows.

    Args:
        scaled: float32 [M+1, D]; see `Rotation`, as for basis and eigenvalues.
        root: float32 [M+1], one over the roots of the entries' weights; 0 for index 0.
        basis: float32 [D, D].
        eigenvalues: float32 [D].
        regularization: float32 [], λ.
        index: int32 [B, S], each row's observed entries, 0 pads.
        unobserved: float32 [B], or [1] for all, what each row's Gram matrix is multiplied with.
        observed: float32 [B] or [1], what each row's sum over entries is multiplied with; positive.

    Returns:
        float32 [B, D].
    """
    whiten = tf.math.rsqrt(unobserved[:, tf.newaxis] * eigenvalues + regularization)
    stretch = whiten * tf.sqrt(observed)[:, tf.newaxis]
    entries = tf.gather(scaled, index) * stretch[:, tf.newaxis, :]
    small = tf.matmul(entries, entries, transpose_b=True) + tf.eye(tf.shape(index)[1])
    right = tf.gather(root, index)[:, :, tf.newaxis]
    inner = tf.linalg.cholesky_solve(tf.linalg.cholesky(small), right)
    whitened = tf.matmul(entries, inner, transpose_a=True)[:, :, 0]
    back = whitened * whiten * tf.math.rsqrt(observed)[:, tf.newaxis]
    return tf.matmul(back, basis, transpose_b=True)
