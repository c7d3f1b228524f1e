import math

import numpy as np
import pytest
from scipy import sparse

from models.retrieval import item_knn
from models.retrieval.item_knn import knn_weights

# Four users, four items: the last item has no interaction.
CHOSEN = sparse.csr_matrix(
    np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]], dtype=np.float32)
)


def test_sums_cosines_when_items_share_users() -> None:
    scores = knn_weights(CHOSEN, 50).scores(CHOSEN)
    # cos(0, 1) = 2 / sqrt(3 * 2), cos(0, 2) = 1 / sqrt(3 * 2), cos(1, 2) = 0.
    assert scores[0] == pytest.approx([2 / math.sqrt(6), 2 / math.sqrt(6), 1 / math.sqrt(6), 0])
    assert scores[3] == pytest.approx([1 / math.sqrt(6), 0, 0, 0])


def test_keeps_the_nearest_alone_when_neighbours_are_few() -> None:
    scores = knn_weights(CHOSEN, 1).scores(CHOSEN)
    # Item 0 speaks for 1 alone now, which is nearer than 2; 1 and 2 speak for 0.
    assert scores[0] == pytest.approx([2 / math.sqrt(6), 2 / math.sqrt(6), 0, 0])


def test_keeps_the_first_when_neighbours_are_equally_near() -> None:
    # The user of item 0 has all four: each other item is as near to it, at 1 / sqrt(1 * 1).
    weights = knn_weights(sparse.csr_matrix(np.ones([1, 4], np.float32)), 2).matrix.toarray()
    assert weights.tolist() == [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]]


def test_blocks_change_nothing_when_items_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    random = sparse.random(30, 40, 0.2, "csr", np.float32, np.random.default_rng(3))
    random.data[:] = 1.0
    whole = knn_weights(random, 5)
    monkeypatch.setattr(item_knn, "SIMILARITIES_AT_ONCE", 200)  # blocks of 5 items
    blocks = knn_weights(random, 5)
    assert (whole.matrix != blocks.matrix).nnz == 0
    assert np.diff(whole.matrix.indptr).max() == 5
    # By the definition, densely: cosines, the diagonal left out, the 5 largest of each row.
    columns = random.toarray()[:, whole.known]
    unit = columns / np.linalg.norm(columns, axis=0)
    cosines = unit.T @ unit
    np.fill_diagonal(cosines, 0.0)
    expected = np.sort(cosines, axis=1)[:, -5:].sum(axis=1)
    assert np.asarray(whole.matrix.sum(axis=1)).ravel() == pytest.approx(expected, rel=1e-5)


def test_says_so_when_neighbours_are_not_positive() -> None:
    with pytest.raises(ValueError, match="neighbours must be at least 1. Received: 0"):
        knn_weights(CHOSEN, 0)


def test_says_so_when_nobody_has_chosen_anything() -> None:
    with pytest.raises(ValueError, match=r"must hold an interaction.*shape \(3, 4\)"):
        knn_weights(sparse.csr_matrix((3, 4), dtype=np.float32), 5)
