"""Classic recommenders to compare with: most-popular, item-kNN and EASE, on binary feedback."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

NEIGHBOURS = 50
EASE_L2 = 300.0
EASE_MAX_ITEMS = 20_000  # items with interactions; 20,000 take 1.6 GB a matrix
BATCH = 512

# Scores every item, float32 [B, I], for the binary histories [B, I].
Scorer = Callable[[sparse.csr_matrix], NDArray[np.float32]]


def most_popular(train: sparse.csr_matrix) -> Scorer:
    """Scores each item by its interactions in `train`, binary [U, I]."""
    popularity = np.asarray(train.sum(axis=0), dtype=np.float32).ravel()
    return lambda histories: np.tile(popularity, (histories.shape[0], 1))


def item_knn(train: sparse.csr_matrix, neighbours: int = NEIGHBOURS) -> Scorer:
    """Scores each item by its cosine similarity to the items of the history.

    Args:
        train: binary [U, I].
        neighbours: how many of its most similar items each item of the history speaks for.

    Returns:
        A scorer: the sum of the similarities to the items of the history that speak for it.

    Source: Sarwar et al. 2001, doi:10.1145/371920.372071.
    """
    norms = np.sqrt(np.asarray(train.sum(axis=0), dtype=np.float32).ravel())
    unit = (train @ sparse.diags(1.0 / np.maximum(norms, 1.0), dtype=np.float32)).tocsc()
    rows, columns, values = [], [], []
    for start in range(0, train.shape[1], BATCH):
        similarity = (unit[:, start : start + BATCH].T @ unit).toarray()
        here = np.arange(len(similarity))
        similarity[here, start + here] = 0.0  # an item is no neighbour of itself
        nearest = top_k(similarity, neighbours)
        rows.append(np.repeat(start + here, nearest.shape[1]))
        columns.append(nearest.ravel())
        values.append(np.take_along_axis(similarity, nearest, axis=1).ravel())
    triple = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    weights = sparse.csr_matrix(triple, shape=(train.shape[1],) * 2)
    return lambda histories: np.asarray((histories @ weights).toarray(), dtype=np.float32)


def ease(train: sparse.csr_matrix, l2: float = EASE_L2) -> Scorer:
    """Scores with the closed-form linear autoencoder without self-similarity.

    Args:
        train: binary [U, I].
        l2: weight of the penalty.

    Raises:
        ValueError: if more than EASE_MAX_ITEMS items have interactions.

    Source: Steck 2019, doi:10.1145/3308558.3313710.
    """
    # An item without interactions has no weights: leaving it out shrinks the matrix to invert.
    rated = np.flatnonzero(np.diff(train.tocsc().indptr))
    if len(rated) > EASE_MAX_ITEMS:
        raise ValueError(
            f"EASE needs at most {EASE_MAX_ITEMS} items with interactions. "
            f"Received: {len(rated)}. Leave it out on a data set of this size."
        )
    known = train[:, rated]
    gram = (known.T @ known).toarray()
    gram[np.diag_indices_from(gram)] += l2
    precision = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = precision / -np.diag(precision)
    np.fill_diagonal(weights, 0.0)

    def score(histories: sparse.csr_matrix) -> NDArray[np.float32]:
        scores = np.zeros(histories.shape, dtype=np.float32)
        scores[:, rated] = histories[:, rated] @ weights
        return scores

    return score


def recommend(
    scorer: Scorer, train: sparse.csr_matrix, users: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Returns each user's best items that they have not seen.

    Args:
        scorer: scores of all items.
        train: binary [U, I], what each user has seen.
        users: int64 [Q], rows of `train`.
        k: length of the lists; users must have k items left to see.

    Returns:
        int64 [Q, min(k, I)], item indices, best first, ties by index.
    """
    lists = []
    for start in range(0, len(users), BATCH):
        histories = train[users[start : start + BATCH]]
        scores = scorer(histories)
        seen = histories.tocoo()
        scores[seen.row, seen.col] = -np.inf
        lists.append(top_k(scores, k))
    return np.concatenate(lists)


def top_k(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Returns int64 [B, min(k, I)]: columns of the highest scores, best first, ties by index.

    Args:
        scores: [B, I].
        k: how many columns.
    """
    k = min(k, scores.shape[1])
    # Partition first: sorting whole rows of a large catalogue would take most of the time. What is
    # equal to the k-th score is settled by index, so that equal scores rank the same everywhere.
    threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    above = scores > threshold
    ties = scores == threshold
    room = k - above.sum(axis=1, keepdims=True)
    kept = above | (ties & (np.cumsum(ties, axis=1) <= room))
    columns = np.nonzero(kept)[1].reshape(len(scores), k)
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)
