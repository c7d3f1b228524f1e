from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.candidates.co_visitation import (
    CoVisitation,
    Interactions,
    NeighbourTable,
    co_visitation,
)
from models.candidates.options import CoVisitationOptions
from models.ties import tie_order

PLAIN: dict[str, Any] = {"popularity_power": 0.0, "shrinkage": 0.0}  # weights are counts

Row = tuple[int, int, int]  # user, item, second


def interactions(rows: list[Row]) -> Interactions:
    return Interactions(*np.array(rows, np.int64).reshape(-1, 3).T)


def counted(rows: list[Row], items: int, **options: Any) -> CoVisitation:
    return co_visitation(interactions(rows), items, CoVisitationOptions(**options))


def rows_of(table: NeighbourTable) -> list[dict[int, float]]:
    """Each item's neighbours and weights, in order."""
    return [
        {item: value for item, value in zip(*row, strict=True) if item}
        for row in zip(table.index.tolist(), table.weight.tolist(), strict=True)
    ]


# A user who had item 1, then 2, then 3.
ONE_USER: list[Row] = [(1, 1, 10), (1, 2, 20), (1, 3, 30)]


def test_following_is_directed_and_nearby_is_not_when_items_come_in_turn() -> None:
    pairs = counted(ONE_USER, 3, following_window=4, nearby_window=2, **PLAIN)
    # One place further on: e^(-1 / (window / 2)) for what follows, half for what is nearby.
    soon = pytest.approx(np.exp(-1 / 2))
    assert rows_of(pairs.following) == [{}, {2: 1.0, 3: soon}, {3: 1.0}, {}]
    assert rows_of(pairs.nearby) == [{}, {2: 1.0, 3: 0.5}, {1: 1.0, 3: 1.0}, {2: 1.0, 1: 0.5}]


def test_pairs_are_counted_when_they_are_within_the_window() -> None:
    pairs = counted(ONE_USER, 3, following_window=1, nearby_window=2, **PLAIN)
    assert rows_of(pairs.following) == [{}, {2: 1.0}, {3: 1.0}, {}]
    assert list(rows_of(pairs.nearby)[1]) == [2, 3]


def test_neither_follows_the_other_when_both_are_of_one_second() -> None:
    rows: list[Row] = [(1, 1, 10), (1, 2, 20), (1, 3, 20)]
    pairs = counted(rows, 3, following_window=1, nearby_window=2, **PLAIN)
    # Both follow item 1 directly.
    assert rows_of(pairs.following) == [{}, {2: 1.0, 3: 1.0}, {}, {}]
    assert rows_of(pairs.nearby)[2][3] == rows_of(pairs.nearby)[3][2] == 1.0


def test_users_share_no_pair_when_their_rows_are_next_to_each_other() -> None:
    pairs = counted([(1, 1, 10), (2, 2, 20)], 2, **PLAIN)
    assert rows_of(pairs.following) == rows_of(pairs.nearby) == [{}, {}, {}]


def test_weights_are_divided_by_both_counts_when_items_are_popular() -> None:
    # Items 1, 2 and 3 were had 2, 3 and 1 times; 2 came after 1 twice.
    rows: list[Row] = [(1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 2, 2), (3, 2, 1), (4, 3, 1)]
    pairs = counted(rows, 3, popularity_power=0.5, shrinkage=6.0)
    # 2 / sqrt((2 + 6) (3 + 6)).
    expected = pytest.approx(2 / np.sqrt(8 * 9))
    assert rows_of(pairs.following) == [{}, {2: expected}, {}, {}]
    assert rows_of(pairs.nearby) == [{}, {2: expected}, {1: expected}, {}]


def test_the_unknown_and_an_item_itself_are_no_pair_when_they_are_there() -> None:
    unknown_item: list[Row] = [(1, 0, 1), (1, 1, 2), (1, 0, 3)]
    again: list[Row] = [(2, 2, 1), (2, 2, 2)]
    unknown_users: list[Row] = [(0, 1, 1), (0, 2, 2)]  # they may be two people
    pairs = counted([*unknown_item, *again, *unknown_users], 2, **PLAIN)
    assert rows_of(pairs.following) == rows_of(pairs.nearby) == [{}, {}, {}]


def test_the_strongest_are_kept_in_order_when_there_are_too_many() -> None:
    # After 1 came 2 twice, 3 three times, and 4 and 5 once each.
    followers = [2, 2, 3, 3, 3, 4, 5]
    rows = [
        row
        for user, item in enumerate(followers, start=1)
        for row in ((user, 1, 1), (user, item, 2))
    ]
    assert list(rows_of(counted(rows, 5, neighbours=3, **PLAIN).following)[1]) == [3, 2, 4]
    # 12 entries over 6 rows are 2 a row.
    assert list(rows_of(counted(rows, 5, entries=12, **PLAIN).following)[1]) == [3, 2]
    # However few may be kept, the first of a row is.
    assert list(rows_of(counted(rows, 5, entries=1, **PLAIN).following)[1]) == [3]


def test_tables_are_empty_when_nobody_had_anything() -> None:
    pairs = counted([], 2)
    for table in (pairs.following, pairs.nearby):
        assert table.index.tolist() == [[0], [0], [0]]
        assert not table.weight.any()


many_rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)), max_size=40
)


@settings(deadline=None, max_examples=60)
@given(rows=many_rows, seed=st.integers(0, 99), at_once=st.integers(1, 9))
def test_tables_are_the_same_when_rows_come_in_another_order(
    rows: list[Row], seed: int, at_once: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    one = counted(rows, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.candidates.co_visitation.ROWS_AT_ONCE", at_once)
        other = counted([rows[place] for place in order], 5)
    for name in ("following", "nearby"):
        for column in ("index", "weight"):
            expected = getattr(getattr(one, name), column)
            np.testing.assert_array_equal(getattr(getattr(other, name), column), expected)


@settings(deadline=None, max_examples=60)
@given(rows=many_rows, window=st.integers(1, 4))
def test_weights_are_those_of_plain_python_when_histories_are_random(
    rows: list[Row], window: int
) -> None:
    ties = tie_order(6)
    after, around = np.zeros([6, 6]), np.zeros([6, 6])
    for user in range(1, 5):
        own = [(second, ties[item], item) for u, item, second in rows if u == user and item]
        history = sorted(own)
        for number, (second, _, item) in enumerate(history):
            earlier = [before for before in history if before[0] < second]
            for place, (_, _, before) in enumerate(earlier[::-1][:window]):
                after[before, item] += (before != item) * np.exp(-place / (window / 2))
            for place, (_, _, before) in enumerate(history[:number][::-1][:window]):
                around[before, item] += (before != item) / (place + 1)
    pairs = counted(rows, 5, following_window=window, nearby_window=window, **PLAIN)
    for table, dense in ((pairs.following, after), (pairs.nearby, around + around.T)):
        found = np.zeros([6, 6])
        np.add.at(found, (np.arange(6)[:, np.newaxis], table.index), table.weight)
        np.testing.assert_allclose(found, dense, rtol=1e-5)
        assert all((np.diff(list(row.values())) <= 0).all() for row in rows_of(table))
