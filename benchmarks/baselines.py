"""Classic recommenders to compare with: most-popular, item-kNN and EASE, on binary feedback."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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
    """
    from models.retrieval.item_knn import knn_weights  # TensorFlow, which --help need not wait for

    return knn_weights(train, neighbours).scores


def ease(train: sparse.csr_matrix, l2: float = EASE_L2, max_items: int = EASE_MAX_ITEMS) -> Scorer:
    """Scores with the closed-form linear autoencoder without self-similarity.

    Args:
        train: binary [U, I].
        l2: weight of the penalty.
        max_items: with interactions, at most.

    Raises:
        ValueError: if more items have interactions.
    """
    from models.retrieval.ease import ease_weights

    return ease_weights(train, l2, max_items).scores


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
