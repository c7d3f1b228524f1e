import math

import numpy as np
import pytest
from scipy import sparse

from benchmarks import metrics


def _relevant(rows: list[list[int]]) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.array(rows, dtype=np.float32))


def test_averages_over_users_when_lists_hit_and_miss() -> None:
    relevant = _relevant([[1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
    recommended = np.array([[1, 0, 2], [0, 1, -1]])
    quality = metrics.evaluate(recommended, relevant, np.array([0, 1]))
    # User 0 hits at ranks 2 and 3 of an ideal 1 and 2; user 1 misses. User 2 is not asked about.
    gain = 1 / math.log(3) + 1 / math.log(4)
    ideal = 1 / math.log(2) + 1 / math.log(3)
    assert quality.ndcg_at_10 == pytest.approx(gain / ideal / 2)
    assert quality.recall_at_10 == quality.recall_at_100  # nobody has more than three
    assert quality.recall_at_100 == pytest.approx((2 / 2 + 0 / 1) / 2)
    assert quality.mrr == pytest.approx((1 / 2 + 0) / 2)
    assert quality.coverage_at_10 == 3 / 4  # items 0, 1 and 2 of four


def test_ideal_list_ends_at_k_when_more_items_are_relevant() -> None:
    hits = np.ones((1, 3), dtype=bool)
    # 5 relevant items, 2 of them fit into the list: a perfect list has 1.
    assert metrics.ndcg(hits, np.array([5]), 2) == pytest.approx([1.0])
    assert metrics.recall(hits, np.array([5]), 2) == pytest.approx([2 / 5])


def test_short_recall_ends_at_10_when_a_hit_is_eleventh() -> None:
    relevant = _relevant([[1] + [0] * 9 + [1]])
    quality = metrics.evaluate(np.arange(11)[None], relevant, np.array([0]))
    # Items 0 and 10 are relevant, at ranks 1 and 11.
    assert (quality.recall_at_10, quality.recall_at_100) == (0.5, 1.0)


def test_ndcg_is_smaller_when_the_list_is_shorter_than_k() -> None:
    hits = np.array([[True]])
    # One hit at rank 1 of two possible: 1/ln 2 over 1/ln 2 + 1/ln 3.
    expected = (1 / math.log(2)) / (1 / math.log(2) + 1 / math.log(3))
    assert metrics.ndcg(hits, np.array([2]), 10) == pytest.approx([expected])


def test_padding_is_no_hit_when_a_list_is_short() -> None:
    relevant = _relevant([[0, 1], [1, 0]])
    # -1 for user 1 must not reach back to the last item of user 0.
    hits = metrics.hit_matrix(np.array([[-1, -1], [-1, 0]]), relevant, np.array([0, 1]))
    assert hits.tolist() == [[False, False], [False, True]]


def test_refuses_when_a_list_names_an_item_twice() -> None:
    with pytest.raises(ValueError, match="at most once a user"):
        metrics.hit_matrix(np.array([[1, 0, 1]]), _relevant([[1, 1]]), np.array([0]))
