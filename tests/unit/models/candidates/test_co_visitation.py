from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models import features
from models.candidates.co_visitation import CoVisitation, NeighbourTable, co_visitation
from models.candidates.options import CoVisitationOptions

WIDTH = 3  # of the histories
PLAIN: dict[str, Any] = {"popularity_power": 0.0, "shrinkage": 0.0}  # weights are counts

Row = tuple[int, list[int]]  # an item, and what its user had before, newest first


def batch(rows: list[Row]) -> dict[str, npt.NDArray[Any]]:
    return {
        features.ITEM_INDEX: np.array([item for item, _ in rows], np.int64),
        features.HISTORY_INDEX: np.array(
            [(history + [0] * WIDTH)[:WIDTH] for _, history in rows], np.int64
        ).reshape(-1, WIDTH),
    }


def counted(rows: list[Row], items: int, **options: Any) -> CoVisitation:
    return co_visitation([batch(rows)], items, CoVisitationOptions(**options))


def rows_of(table: NeighbourTable) -> list[dict[int, float]]:
    """Each item's neighbours and weights, in order."""
    bounds = zip(table.splits[:-1], table.splits[1:], strict=True)
    return [
        dict(zip(table.index[a:b].tolist(), table.weight[a:b].tolist(), strict=True))
        for a, b in bounds
    ]


# A user who had item 1, then 2, then 3.
ONE_USER: list[Row] = [(1, []), (2, [1]), (3, [2, 1])]


def test_following_is_directed_and_nearby_is_not_when_items_come_in_turn() -> None:
    pairs = counted(ONE_USER, 3, following_window=4, nearby_window=2, **PLAIN)
    # A place further on counts e^(-1 / (window / 2)).
    further, less = np.exp(-1 / 2), np.exp(-1 / 1)
    following = rows_of(pairs.following)
    assert following == [{}, {2: 1.0, 3: pytest.approx(further)}, {3: 1.0}, {}]
    nearby = rows_of(pairs.nearby)
    assert nearby[:2] == [{}, {2: 1.0, 3: pytest.approx(less)}]
    assert nearby[2:] == [{1: 1.0, 3: 1.0}, {2: 1.0, 1: pytest.approx(less)}]


def test_pairs_are_counted_when_they_are_within_the_window() -> None:
    pairs = counted(ONE_USER, 3, following_window=1, nearby_window=2, **PLAIN)
    assert rows_of(pairs.following) == [{}, {2: 1.0}, {3: 1.0}, {}]
    assert list(rows_of(pairs.nearby)[1]) == [2, 3]


def test_weights_are_divided_by_both_counts_when_items_are_popular() -> None:
    # Items 1, 2 and 3 were had 1, 3 and 1 times; 2 came after 1 twice.
    rows: list[Row] = [(1, []), (2, [1]), (2, [1]), (2, []), (3, [])]
    pairs = counted(rows, 3, popularity_power=0.5, shrinkage=6.0)
    # 2 / sqrt((1 + 6) (3 + 6)).
    expected = pytest.approx(2 / np.sqrt(7 * 9))
    assert rows_of(pairs.following) == [{}, {2: expected}, {}, {}]
    assert rows_of(pairs.nearby) == [{}, {2: expected}, {1: expected}, {}]


def test_an_item_without_interactions_counts_as_one_when_only_histories_hold_it() -> None:
    # What is new of a window of spans may follow what is no longer trained with.
    pairs = counted([(2, [1]), (2, [])], 2, popularity_power=1.0, shrinkage=1.0)
    # 1 / ((1 + 1) (2 + 1)).
    assert rows_of(pairs.following)[1] == {2: pytest.approx(1 / 6)}


def test_unknown_items_and_an_item_itself_are_no_pair_when_they_are_there() -> None:
    rows: list[Row] = [(0, [1, 2]), (1, [0, 1]), (2, [0, 2])]
    pairs = counted(rows, 2, **PLAIN)
    assert rows_of(pairs.following) == rows_of(pairs.nearby) == [{}, {}, {}]
    assert len(pairs.following.splits) == 4


def test_the_strongest_are_kept_in_order_when_there_are_too_many() -> None:
    # After 1 came 2 twice, 3 three times, and 4 and 5 once each.
    followers = [2, 2, 3, 3, 3, 4, 5]
    rows: list[Row] = [(item, [1]) for item in followers]
    assert list(rows_of(counted(rows, 5, neighbours=3, **PLAIN).following)[1]) == [3, 2, 4]
    # 12 entries over 6 rows are 2 a row.
    assert list(rows_of(counted(rows, 5, entries=12, **PLAIN).following)[1]) == [3, 2]
    # However few may be kept, the first of a row is.
    assert list(rows_of(counted(rows, 5, entries=1, **PLAIN).following)[1]) == [3]


def test_weights_add_up_when_batches_are_several() -> None:
    options = CoVisitationOptions(**PLAIN)
    whole = co_visitation([batch(ONE_USER)], 3, options)
    parts = co_visitation([batch([row]) for row in ONE_USER], 3, options)
    for name in ("following", "nearby"):
        assert rows_of(getattr(parts, name)) == rows_of(getattr(whole, name))


def test_tables_are_empty_when_nobody_had_anything() -> None:
    for pairs in (co_visitation([], 2, CoVisitationOptions()), counted([], 2)):
        assert pairs.following.splits.tolist() == [0, 0, 0, 0]
        assert len(pairs.nearby.index) == len(pairs.nearby.weight) == 0


histories = st.lists(st.integers(0, 5), max_size=WIDTH)
many_rows = st.lists(st.tuples(st.integers(0, 5), histories), max_size=30)


@settings(deadline=None, max_examples=60)
@given(rows=many_rows, seed=st.integers(0, 99))
def test_tables_are_the_same_when_rows_come_in_another_order(rows: list[Row], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = [rows[place] for place in order]
    half = len(rows) // 2
    one = counted(rows, 5)
    other = co_visitation(
        [batch(shuffled[:half]), batch(shuffled[half:])], 5, CoVisitationOptions()
    )
    for name in ("following", "nearby"):
        for column in ("splits", "index", "weight"):
            expected = getattr(getattr(one, name), column)
            np.testing.assert_array_equal(getattr(getattr(other, name), column), expected)


@settings(deadline=None, max_examples=60)
@given(rows=many_rows, window=st.integers(1, 4))
def test_weights_are_those_of_plain_python_when_histories_are_random(
    rows: list[Row], window: int
) -> None:
    expected = np.zeros([6, 6])
    for item, history in rows:
        for place, before in enumerate(history[:window]):
            if item and before and item != before:
                expected[before, item] += np.exp(-place / (window / 2))
    pairs = counted(rows, 5, following_window=window, nearby_window=window, **PLAIN)
    for table, dense in ((pairs.following, expected), (pairs.nearby, expected + expected.T)):
        found = sparse.csr_matrix((table.weight, table.index, table.splits), shape=(6, 6))
        np.testing.assert_allclose(found.toarray(), dense, rtol=1e-5)
        assert all((np.diff(list(row.values())) <= 0).all() for row in rows_of(table))
