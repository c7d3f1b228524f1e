"""Ranking metrics over lists of item indices, binary relevance, averaged over users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

NDCG_K = 10
SHORT_RECALL_K = 10
RECALL_K = 100
COVERAGE_K = 10
NO_ITEM = -1  # pads a list that is too short


@dataclass(frozen=True)
class Quality:
    """What one recommender reached, each between 0 and 1."""

    ndcg_at_10: float
    recall_at_10: float
    recall_at_100: float
    mrr: float
    coverage_at_10: float


def evaluate(
    recommended: NDArray[np.int64], relevant: sparse.csr_matrix, users: NDArray[np.int64]
) -> Quality:
    """Returns the quality of the lists of `users`.

    Args:
        recommended: int64 [Q, K], item indices, best first, -1 pads.
        relevant: [U, I], non-zero where the user chose the item later.
        users: int64 [Q], rows of `relevant`, each with at least one relevant item.
    """
    hits = hit_matrix(recommended, relevant, users)
    counts = np.diff(relevant.indptr)[users]
    return Quality(
        ndcg_at_10=float(ndcg(hits, counts, NDCG_K).mean()),
        recall_at_10=float(recall(hits, counts, SHORT_RECALL_K).mean()),
        recall_at_100=float(recall(hits, counts, RECALL_K).mean()),
        mrr=float(reciprocal_rank(hits).mean()),
        coverage_at_10=coverage(recommended[:, :COVERAGE_K], relevant.shape[1]),
    )


def hit_matrix(
    recommended: NDArray[np.int64], relevant: sparse.csr_matrix, users: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Returns bool [Q, K]: whether each recommended item is relevant to its user.

    Raises:
        ValueError: if a list names an item twice, which would count its hit twice.
    """
    ordered = np.sort(recommended, axis=1)
    if np.any((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_ITEM)):
        raise ValueError(
            "recommended must name an item at most once a user. Received: a list with the same "
            "item twice. Remove duplicates where the list is made."
        )
    chosen = relevant[users].tocoo()
    width = relevant.shape[1]
    keys = chosen.row.astype(np.int64) * width + chosen.col
    asked = np.arange(len(users), dtype=np.int64)[:, None] * width + recommended
    return np.isin(asked, keys) & (recommended != NO_ITEM)


def ndcg(hits: NDArray[np.bool_], counts: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Returns float64 [Q]: discounted gain of the first k over that of an ideal list.

    The base of the logarithm cancels. The ideal list starts with min(k, relevant) hits.

    Args:
        hits: bool [Q, K].
        counts: int [Q], relevant items of each user, at least 1.
        k: length of the list that counts.
    """
    discount = 1.0 / np.log(np.arange(2, k + 2))
    gain = hits[:, :k] @ discount[: hits.shape[1]]
    ideal = np.cumsum(discount)[np.minimum(counts, k) - 1]
    return np.asarray(gain / ideal)


def recall(hits: NDArray[np.bool_], counts: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Returns float64 [Q]: hits among the first k over the number of relevant items."""
    return np.asarray(hits[:, :k].sum(axis=1) / counts)


def reciprocal_rank(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns float64 [Q]: 1 / rank of the first hit, 0 without one."""
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)


def coverage(recommended: NDArray[np.int64], items: int) -> float:
    """Returns the share of `items` catalogue items that at least one list names."""
    named = np.unique(recommended)
    return float(np.count_nonzero(named != NO_ITEM)) / items
