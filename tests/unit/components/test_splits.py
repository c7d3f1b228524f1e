import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import splits
from components.options import SplitOptions
from components.splits import EVAL, LATE, TRAIN, Bounds

PER_USER = ["time_per_user", "random_per_user", "leave_one_out"]


def parts(strategy, count, fraction=0.2, late=0.25, seed=1, bounds=None, items=None, user="u"):
    options = SplitOptions(strategy=strategy, eval_fraction=fraction, late_fraction=late)
    items = items or [f"i{number}" for number in range(count)]
    times = np.arange(count, dtype=np.int64)
    positions = np.arange(count, dtype=np.int32)
    bounds = bounds or Bounds()
    return splits.parts_of_user(user, items, positions, times, options, seed, bounds).tolist()


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    # 0.4, 0.8, 1.8, 0.5, 28.5 (28.499999999999996 in floating point), and one always stays.
    [(2, 0.2, 0), (4, 0.2, 1), (9, 0.2, 2), (10, 0.05, 1), (50, 0.57, 29), (1, 0.9, 0)],
)
def test_the_share_is_rounded_when_it_is_no_whole_number(count, fraction, expected):
    assert splits.held_out_count(count, fraction) == expected


def test_the_last_are_held_out_when_split_by_time_per_user():
    # A fifth of 10 is eval, a quarter of the other 8 is late.
    assert parts("time_per_user", 10) == [TRAIN] * 6 + [LATE] * 2 + [EVAL] * 2


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [TRAIN]), (2, [TRAIN, EVAL]), (4, [TRAIN, TRAIN, LATE, EVAL])],
)
def test_the_last_one_is_held_out_twice_when_leaving_one_out_of_enough(count, expected):
    assert parts("leave_one_out", count) == expected


def test_later_than_the_bounds_is_held_out_when_split_by_global_time():
    # Times are 0 to 4; the bounds 1 and 2 themselves are in the part that they end.
    found = parts("global_time", 5, bounds=Bounds(train_until=1, late_until=2))
    assert found == [TRAIN, TRAIN, LATE, EVAL, EVAL]


def test_the_global_bound_keeps_a_second_together_when_it_is_tied():
    # 5 rows, 40 %: 2 to hold out. Sorted 1 2 3 3 9; the third is 3, so both 3s stay.
    times = np.array([9, 3, 1, 3, 2], dtype=np.int64)
    assert splits.last_train_time(times, 0.4) == 3
    # Of those four, half are late: sorted 1 2 3 3, the second is 2.
    options = SplitOptions(strategy="global_time", eval_fraction=0.4, late_fraction=0.5)
    bounds = splits.time_bounds(times, options)
    assert (bounds.train_until, bounds.late_until) == (2, 3)


def test_the_random_choice_follows_the_items_when_their_order_changes():
    items = [f"i{number}" for number in range(10)]
    chosen = dict(zip(items, parts("random_per_user", 10), strict=True))
    reverse = items[::-1]
    again = dict(zip(reverse, parts("random_per_user", 10, items=reverse), strict=True))
    assert sorted(chosen.values()) == [TRAIN] * 6 + [LATE] * 2 + [EVAL] * 2
    assert again == chosen


@pytest.mark.parametrize("other", [{"seed": 2}, {"user": "v"}])
def test_the_random_choice_differs_when_the_seed_or_user_does(other):
    assert parts("random_per_user", 100) != parts("random_per_user", 100, **other)


def test_the_late_choice_is_not_the_next_of_the_eval_choice_when_random():
    # Half of 100 are eval. Were the other half ordered by the same draws, the late quarter of it
    # would be what a larger eval part takes next: 62 of 100.
    larger = parts("random_per_user", 100, fraction=0.62)
    found = parts("random_per_user", 100, fraction=0.5)
    assert [row for row, part in enumerate(found) if part == LATE and larger[row] != EVAL]


@given(st.sampled_from(PER_USER), st.integers(1, 60), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_train_keeps_at_least_one_when_split_per_user(strategy, count, fraction, late):
    assert TRAIN in parts(strategy, count, fraction, late)


def test_draws_below_the_bounds_are_held_out_when_split_per_item():
    drawn = splits.draws("u", ["i0", "i1", "i2"], seed=1)
    above = drawn + np.uint64(1)
    # i0 stays; i1 is below the late bound alone; i2 is below both.
    bounds = Bounds(
        late_below=above[:, 1] * np.array([0, 1, 1], np.uint64),
        eval_below=above[:, 0] * np.array([0, 0, 1], np.uint64),
    )
    assert parts("random_per_item", 3, bounds=bounds) == [TRAIN, LATE, EVAL]
    # The draw of the bound itself stays.
    bounds = Bounds(late_below=np.zeros(3, np.uint64), eval_below=drawn[:, 0])
    assert parts("random_per_item", 3, bounds=bounds) == [TRAIN] * 3


def test_a_bound_has_the_rounded_share_below_it_when_an_item_has_many():
    # Item 0: 3 of 6 draws are 1.5, rounded to 2; item 1: round(0.25) = 0; item 2 has none;
    # item 3: round(0.5) = 0.
    item = np.array([0, 0, 1, 0, 3, 0, 0, 3, 0], dtype=np.int32)
    drawn = np.array([50, 10, 7, 40, 1, 30, 20, 2, 60], dtype=np.uint64)
    assert splits.draw_bounds(item, drawn, 4, 0.25).tolist() == [30, 0, 0, 0]


def test_one_of_an_item_stays_when_the_share_is_nearly_all():
    # round(2 * 0.9) = 2, but one stays: the larger draw.
    bounds = splits.draw_bounds(np.zeros(2, np.int32), np.array([9, 4], np.uint64), 1, 0.9)
    assert bounds.tolist() == [9]
