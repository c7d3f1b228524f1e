"""EASE: the linear autoencoder without self-similarity, in closed form."""

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from models.errors import UnsuitableDataError
from models.item_table import FloatArray
from models.retrieval.linear import ItemWeights, serve_weights, with_interactions
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import EaseOptions
from models.transformed_data import TransformedData

BLOCK = 1024  # rows of the dense matrix that are written at a time


def fit(data: TransformedData, options: EaseOptions, context: FitContext) -> RetrievalModel:
    """Fits the weights; see `models.retrieval.registry.fit_retrieval`."""
    matrix = data.table().matrix()
    weights = ease_weights(matrix, options.regularization, options.max_items)
    return serve_weights(weights, data, options, context)


def ease_weights(matrix: sparse.csr_matrix, regularization: float, max_items: int) -> ItemWeights:
    """Solves for the weights W of least ‖X - XW‖² + λ‖W‖² with a diagonal of zeros.

    It takes one dense matrix of all items with interactions, 4 bytes an element, and the time of
    its inversion, which grows with the cube of their number.

    Args:
        matrix: float32 [U, N], X: 1 where the user has chosen the item.
        regularization: λ.
        max_items: with interactions, at most.

    Returns:
        The weights.

    Raises:
        ValueError: if λ is not positive.
        UnsuitableDataError: if nobody has chosen anything, or there are too many items.

    Source: Steck 2019, doi:10.1145/3308558.3313710.
    """
    if not regularization > 0.0:
        raise ValueError(
            f"regularization must be above 0. Received: {regularization}. Without it the equations "
            "have no unique solution: give some hundreds."
        )
    # An item without interactions has no weights: leaving it out shrinks the matrix to invert.
    known = with_interactions(matrix)
    if not 0 < len(known) <= max_items:
        raise UnsuitableDataError(
            f"EASE needs at least 1 and at most {max_items} items with interactions. "
            f"Received: {len(known)}. Raise retrieval.max_items if there is room for a "
            f"matrix of {4 * len(known) ** 2:,} bytes, or choose retrieval.kind item_knn."
        )
    weights = _inverse(_gram(matrix[:, known], regularization))
    weights /= -np.diag(weights).copy()
    np.fill_diagonal(weights, 0.0)
    return ItemWeights(known, weights, matrix.shape[1])


def _gram(chosen: sparse.csr_matrix, regularization: float) -> FloatArray:
    """XᵀX + λ, float32 [R, R]; by blocks, as a sparse product of all would take thrice as much."""
    by_item = chosen.T.tocsr()
    items = by_item.shape[0]
    gram = np.empty([items, items], np.float32)
    for start in range(0, items, BLOCK):
        gram[start : start + BLOCK] = (by_item[start : start + BLOCK] @ chosen).toarray()
    gram[np.diag_indices(items)] += regularization
    return gram


def _inverse(matrix: FloatArray) -> FloatArray:
    """Inverts a symmetric positive definite matrix in its own memory."""
    # The transpose of a symmetric matrix is itself, in the order of memory that LAPACK works in.
    factor, failed = lapack.spotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise FloatingPointError(
            f"EASE's equations are singular in float32 at step {failed} of the elimination. "
            "Raise its regularization."
        )
    # In C order, what LAPACK filled is the upper half.
    result = np.asarray(inverse.T)
    for start in range(0, len(result), BLOCK):
        end = start + BLOCK
        result[end:, start:end] = result[start:end, end:].T
        corner = np.triu(result[start:end, start:end])
        result[start:end, start:end] = corner + np.triu(corner, 1).T
    return result
