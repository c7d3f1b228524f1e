from typing import Any

import numpy as np
import numpy.typing as npt
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
from models.ties import scattered

PLAIN: dict[str, Any] = {"popularity_power": 0.0, "shrinkage": 0.0}  # weights are counts

Row = tuple[int, int, int]  # user, item, time


def interactions(rows: list[Row]) -> Interactions:
    return Interactions(*np.array(rows, np.int64).reshape(-1, 3).T)


def counted(rows: list[Row], items: int, **options: Any) -> CoVisitation:
    return co_visitation(interactions(rows), items, CoVisitationOptions(**options))


def dense(table: NeighbourTable) -> npt.NDArray[np.float64]:
    """The weights, by both items."""
    size = len(table.index)
    weights = np.zeros([size, size])
    np.add.at(weights, (np.arange(size)[:, np.newaxis], table.index), table.weight)
    return weights


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


def test_items_of_one_time_weigh_alike_when_many_have_them() -> None:
    # A hundred users had items 1 to 8 at once, and then 9 to 12 at once.
    rows = [(user, item, int(item > 8)) for user in range(1, 101) for item in range(1, 13)]
    pairs = counted(rows, 12, following_window=4, nearby_window=4, **PLAIN)
    # Of the first eight, the last four that one had are followed: half of the users' for each.
    # Their weights are 1, e^(-1/2), e^(-1) and e^(-3/2), 2.198 in all, for eight: 27.5 a hundred.
    following = dense(pairs.following)[1:9, 9:]
    assert following == pytest.approx(np.full([8, 4], 27.5), rel=0.4)
    assert not dense(pairs.following)[1:9, :9].any()
    within = dense(pairs.nearby)[1:9, 1:9][~np.eye(8, dtype=np.bool_)]
    # At distances 1 to 4 stand 7, 6, 5 and 4 of 28 pairs: (7 + 6/2 + 5/3 + 4/4) / 28 on average.
    assert within == pytest.approx(np.full(56, 45.2), rel=0.4)
    assert within.mean() == pytest.approx(45.2, rel=0.01)


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
@given(rows=many_rows, seed=st.integers(0, 99))
def test_tables_are_the_same_when_rows_come_in_another_order(rows: list[Row], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    one, other = counted(rows, 5), counted([rows[place] for place in order], 5)
    for name in ("following", "nearby"):
        for column in ("index", "weight"):
            expected = getattr(getattr(one, name), column)
            np.testing.assert_array_equal(getattr(getattr(other, name), column), expected)


@settings(deadline=None, max_examples=60)
@given(rows=many_rows, pairs_at_once=st.integers(1, 200), places_at_once=st.integers(1, 90))
def test_weights_stay_when_memory_is_short(
    rows: list[Row], pairs_at_once: int, places_at_once: int
) -> None:
    whole = counted(rows, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.candidates.co_visitation.PAIRS_AT_ONCE", pairs_at_once)
        patch.setattr("models.candidates.co_visitation.PLACES_AT_ONCE", places_at_once)
        parts = counted(rows, 5)
    np.testing.assert_allclose(dense(parts.following), dense(whole.following), rtol=1e-5)
    np.testing.assert_allclose(dense(parts.nearby), dense(whole.nearby), rtol=1e-5)


def test_the_window_costs_nothing_when_histories_are_short() -> None:
    wide = counted(ONE_USER, 3, following_window=4, nearby_window=10**15, **PLAIN)
    narrow = counted(ONE_USER, 3, following_window=4, nearby_window=2, **PLAIN)
    assert rows_of(wide.nearby) == rows_of(narrow.nearby)


def test_weights_are_finite_when_an_item_has_no_interactions_and_nothing_is_added() -> None:
    rows: list[Row] = [(1, 1, 1), (1, 2, 2)]
    pairs = counted(rows, 3, popularity_power=0.5, shrinkage=0.0)
    assert rows_of(pairs.following) == [{}, {2: 1.0}, {}, {}]


@settings(deadline=None, max_examples=60)
@given(rows=many_rows, window=st.integers(1, 4))
def test_weights_are_those_of_plain_python_when_histories_are_random(
    rows: list[Row], window: int
) -> None:
    after, around = np.zeros([6, 6]), np.zeros([6, 6])
    for user in range(1, 5):
        own = [(time, item) for u, item, time in rows if u == user and item]
        history = sorted(
            (time, scattered(np.array([user * 6 + item]))[0], item) for time, item in own
        )
        for number, (time, _, item) in enumerate(history):
            earlier = [before for before in history if before[0] < time]
            for place, (_, _, before) in enumerate(earlier[::-1][:window]):
                after[before, item] += (before != item) * np.exp(-place / (window / 2))
            for place, (_, _, before) in enumerate(history[:number][::-1][:window]):
                around[before, item] += (before != item) / (place + 1)
    pairs = counted(rows, 5, following_window=window, nearby_window=window, **PLAIN)
    for table, expected in ((pairs.following, after), (pairs.nearby, around + around.T)):
        np.testing.assert_allclose(dense(table), expected, rtol=1e-5)
        assert all((np.diff(list(row.values())) <= 0).all() for row in rows_of(table))
