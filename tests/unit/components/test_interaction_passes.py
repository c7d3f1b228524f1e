import numpy as np
import pytest

from components import interaction_passes
from components.user_features import UserRows


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
    bounds = interaction_passes.find_thirds(np.array(values))
    assert [interaction_passes.third_of(value, bounds) for value in values] == expected


def test_the_popularity_of_a_history_is_of_its_train_part_when_some_is_held_out():
    user = UserRows(
        "u",
        np.array([0, 2, 1], dtype=np.int32),
        None,
        np.array([1, 2, 3]),
        np.array([False, False, True]),
    )
    # Items 0 and 2 were taken 4 and 10 times: 7 on average.
    assert interaction_passes.popularity_of_history(user, np.array([4, 100, 10])) == 7.0
