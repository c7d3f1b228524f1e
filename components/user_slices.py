"""Slices of users by thirds: how active they are, and how popular what they chose is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import splits
from components.user_state import UserRows

_LOW, _MIDDLE, _HIGH = 0, 1, 2
_ACTIVITY = {_LOW: "low", _MIDDLE: "medium", _HIGH: "high"}
_TASTE = {_LOW: "niche", _MIDDLE: "mixed", _HIGH: "mainstream"}


@dataclass(frozen=True)
class Thirds:
    """The upper bounds of the low and the middle third of users."""

    activity: tuple[float, float]  # training interactions
    taste: tuple[float, float]  # mean training interactions of the items in the history


def find_thirds(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the values of the users who stand at one third and at two thirds of the order."""
    ordered = np.sort(values)
    return float(ordered[len(ordered) // 3]), float(ordered[2 * len(ordered) // 3])


def third_of(value: float, bounds: tuple[float, float]) -> int:
    """Returns 0, 1 or 2: the value lies below the first bound, below the second, or neither."""
    return int(value >= bounds[0]) + int(value >= bounds[1])


def training_items(user: UserRows) -> NDArray[Any]:
    """Returns the items of the train and the late part, int [n]."""
    return user.items[user.part != splits.EVAL]


def measure(user: UserRows, item_counts: NDArray[np.int64]) -> tuple[float, float] | None:
    """Returns a user's training interactions, and those of the items in them on average.

    Args:
        user: the user's interactions.
        item_counts: int64 [items], training interactions of each item.

    Returns:
        Both numbers; None for a user without training interactions.
    """
    items = training_items(user)
    return (float(len(items)), float(item_counts[items].mean())) if len(items) else None


def bounds_of(measured: NDArray[np.float64]) -> Thirds:
    """Returns the bounds between thirds of users.

    Args:
        measured: float64 [users, 2], results of `measure`.
    """
    return Thirds(find_thirds(measured[:, 0]), find_thirds(measured[:, 1]))


def names_of(user: UserRows, item_counts: NDArray[np.int64], thirds: Thirds) -> tuple[str, str]:
    """Returns the values of USER_ACTIVITY and USER_TASTE, "" without training interactions."""
    measured = measure(user, item_counts)
    if measured is None:
        return "", ""
    count, popularity = measured
    activity, taste = third_of(count, thirds.activity), third_of(popularity, thirds.taste)
    return _ACTIVITY[activity], _TASTE[taste]
