import numpy as np
import pytest

from components import user_slices
from components.splits import EVAL, LATE, TRAIN
from components.user_slices import Thirds
from components.user_state import UserRows


def user_of(*part: int) -> UserRows:
    """A user with items 0, 2 and 1."""
    items = np.array([0, 2, 1], dtype=np.int32)
    return UserRows("u", items, None, np.arange(3), np.array(part, dtype=np.int8))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], [2, 0, 1]),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 1, 2, 2]),
        # Equals stay together: the value at one third of 1 1 1 9 is 1, at two thirds 1.
        ([1.0, 1.0, 1.0, 9.0], [2, 2, 2, 2]),
        ([5.0], [2]),
    ],
)
def test_users_fall_into_thirds_when_ordered_by_a_value(values, expected):
    bounds = user_slices.find_thirds(np.array(values))
    assert [user_slices.third_of(value, bounds) for value in values] == expected


def test_training_is_measured_when_some_is_held_out():
    # Items 0 and 2 were taken 4 and 10 times: 7 on average.
    assert user_slices.measure(user_of(TRAIN, LATE, EVAL), np.array([4, 100, 10])) == (2.0, 7.0)


def test_a_user_is_named_by_both_thirds_when_there_is_training():
    thirds = Thirds(activity=(1.0, 2.0), taste=(8.0, 9.0))
    counts = np.array([4, 100, 10])
    # 2 interactions reach the upper bound; 7 on average lie below the lower.
    assert user_slices.names_of(user_of(TRAIN, LATE, EVAL), counts, thirds) == ("high", "niche")
    assert user_slices.names_of(user_of(EVAL, EVAL, EVAL), counts, thirds) == ("", "")
