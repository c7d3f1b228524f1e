import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.short_rows import rotation, solve_short_batch

DIMENSION, REGULARIZATION = 6, 0.2


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    values = np.random.default_rng(0).standard_normal((9, DIMENSION)).astype(np.float32)
    values[0] = 0.0
    return values


def test_short_rows_equal_the_full_systems_when_solved(vectors: np.ndarray) -> None:
    gram = vectors.T @ vectors
    root = np.linspace(0.5, 1.0, 9).astype(np.float32)
    root[0] = 0.0
    index = np.array([[3, 5, 0], [1, 2, 8]])
    unobserved, observed = np.array([0.1, 0.3]), np.array([0.9, 0.7])
    scaled = tf.constant(vectors * root[:, np.newaxis])
    turned = rotation(scaled, tf.constant(gram))
    solution = solve_short_batch(
        turned.scaled,
        tf.math.divide_no_nan(tf.ones_like(root), root),
        turned.basis,
        turned.eigenvalues,
        tf.constant(REGULARIZATION),
        tf.constant(index, tf.int32),
        tf.constant(unobserved, tf.float32),
        tf.constant(observed, tf.float32),
    )
    for row, chosen in enumerate(([3, 5], [1, 2, 8])):
        own = vectors[chosen]
        matrix = unobserved[row] * gram + REGULARIZATION * np.eye(DIMENSION)
        matrix += observed[row] * own.T @ (root[chosen][:, np.newaxis] ** 2 * own)
        expected = np.linalg.solve(matrix, own.sum(axis=0))
        assert solution[row].numpy() == pytest.approx(expected, abs=1e-4)


def test_a_rotation_keeps_lengths_when_vectors_are_turned(vectors: np.ndarray) -> None:
    turned = rotation(tf.constant(vectors), tf.constant(vectors.T @ vectors))
    lengths = np.linalg.norm(turned.scaled.numpy(), axis=1)
    assert lengths == pytest.approx(np.linalg.norm(vectors, axis=1), abs=1e-5)
    # In the basis of its eigenvectors a Gram matrix is diagonal.
    gram = turned.scaled.numpy().T @ turned.scaled.numpy()
    assert gram == pytest.approx(np.diag(turned.eigenvalues.numpy()), abs=1e-4)
