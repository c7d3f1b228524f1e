import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import splits
from components.options import SplitOptions

STRATEGIES = ["time_per_user", "random_per_user", "leave_one_out"]


def held_out(strategy, count, fraction=0.2, seed=1, train_until=0, items=None):
    options = SplitOptions(strategy=strategy, eval_fraction=fraction)
    items = items or [f"i{number}" for number in range(count)]
    times = np.arange(count, dtype=np.int64)
    return splits.eval_rows("u", items, times, options, seed, train_until).tolist()


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    # floor: 0.8, 1.0, 1.8, 29.0 (28.999999999999996 in floating point), 0.9
    [(4, 0.2, 0), (5, 0.2, 1), (9, 0.2, 1), (100, 0.29, 29), (1, 0.9, 0)],
)
def test_the_share_is_rounded_down_when_it_is_no_whole_number(count, fraction, expected):
    assert splits.held_out_count(count, fraction) == expected


def test_the_last_are_held_out_when_split_by_time_per_user():
    assert held_out("time_per_user", 10) == [False] * 8 + [True] * 2


@pytest.mark.parametrize(("count", "expected"), [(1, [False]), (2, [False, True])])
def test_the_last_one_is_held_out_when_leaving_one_out_of_more_than_one(count, expected):
    assert held_out("leave_one_out", count) == expected


def test_later_than_the_bound_is_held_out_when_split_by_global_time():
    # Times are 0 to 3; the bound 1 itself is in train.
    assert held_out("global_time", 4, train_until=1) == [False, False, True, True]


def test_the_global_bound_keeps_a_second_together_when_it_is_tied():
    # 5 rows, 40 %: 2 to hold out. Sorted 1 2 3 3 9; the third is 3, so both 3s stay in train.
    times = np.array([9, 3, 1, 3, 2], dtype=np.int64)
    assert splits.last_train_time(times, 0.4) == 3


def test_the_random_choice_follows_the_items_when_their_order_changes():
    items = [f"i{number}" for number in range(10)]
    chosen = [i for i, out in zip(items, held_out("random_per_user", 10), strict=True) if out]
    reverse = items[::-1]
    again = held_out("random_per_user", 10, items=reverse)
    assert len(chosen) == 2
    assert sorted(chosen) == sorted(i for i, out in zip(reverse, again, strict=True) if out)


def test_the_random_choice_differs_when_the_seed_does():
    assert held_out("random_per_user", 100, seed=1) != held_out("random_per_user", 100, seed=2)


@given(st.sampled_from(STRATEGIES), st.integers(1, 60), st.floats(0.01, 0.99))
def test_train_keeps_at_least_one_when_split_per_user(strategy, count, fraction):
    assert not all(held_out(strategy, count, fraction))
