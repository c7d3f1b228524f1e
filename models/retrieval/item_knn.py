"""Item-based nearest neighbours by cosine."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.errors import UnsuitableDataError
from models.item_table import FloatArray
from models.retrieval.linear import ItemWeights, serve_weights, with_interactions
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import ItemKnnOptions
from models.transformed_data import TransformedData

SIMILARITIES_AT_ONCE = 20_000_000  # 8 bytes each, and as much again while they are computed


def fit(data: TransformedData, options: ItemKnnOptions, context: FitContext) -> RetrievalModel:
    """Fits the similarities; see `models.retrieval.registry.fit_retrieval`."""
    weights = knn_weights(data.table().matrix(), options.neighbours)
    return serve_weights(weights, data, options, context)


def knn_weights(matrix: sparse.csr_matrix, neighbours: int) -> ItemWeights:
    """Computes each item's most similar items, block by block and sparsely.

    Args:
        matrix: float32 [U, N], 1 where the user has chosen the item.
        neighbours: how many items each item speaks for, at most.

    Returns:
        Cosines of the columns; equal ones are kept by index, and no item is its own neighbour.

    Raises:
        ValueError: if neighbours is not positive or nobody has chosen anything.

    Source: Sarwar et al. 2001, doi:10.1145/371920.372071.
    """
    if neighbours < 1:
        raise ValueError(
            f"neighbours must be at least 1. Received: {neighbours}. Give how many items each item "
            "speaks for."
        )
    known = with_interactions(matrix)
    if not len(known):
        raise UnsuitableDataError(
            f"matrix must hold an interaction. Received: none, of shape {matrix.shape}. Give the "
            "interactions to learn from."
        )
    chosen = matrix[:, known]
    norms = np.sqrt(np.asarray(chosen.sum(axis=0), np.float32).ravel())
    unit = (chosen @ sparse.diags(1.0 / norms, dtype=np.float32)).tocsr()
    by_item = unit.T.tocsr()
    block = max(1, SIMILARITIES_AT_ONCE // len(known))
    parts = [
        _nearest(by_item[start : start + block] @ unit, start, neighbours)
        for start in range(0, len(known), block)
    ]
    return ItemWeights(known, sparse.vstack(parts, format="csr"), matrix.shape[1])


def _nearest(similarity: sparse.csr_matrix, start: int, number: int) -> sparse.csr_matrix:
    """Keeps each row's largest values but for its own item's, which is column `start` + row."""
    similarity.sort_indices()
    ends = similarity.indptr
    kept = [
        first + _largest(similarity.data[first:last], similarity.indices[first:last] != own, number)
        for own, (first, last) in enumerate(zip(ends[:-1], ends[1:], strict=True), start)
    ]
    pointers = np.cumsum([0, *(len(row) for row in kept)])
    places = np.concatenate(kept)
    triple = (similarity.data[places], similarity.indices[places], pointers)
    return sparse.csr_matrix(triple, shape=similarity.shape)


def _largest(
    values: FloatArray, other: npt.NDArray[np.bool_], number: int
) -> npt.NDArray[np.int64]:
    """Returns the places of the largest values among the others, in order, ties by place."""
    places = np.flatnonzero(other)
    if len(places) <= number:
        return places
    rest = values[places]
    threshold = np.partition(rest, -number)[-number]
    above = rest > threshold
    ties = np.flatnonzero(rest == threshold)[: number - int(above.sum())]
    above[ties] = True
    return places[above]
