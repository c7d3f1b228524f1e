"""Which part of the data an interaction belongs to: train, late or eval.

The eval part is held out of all training. The late part is what the ranker learns to find; what it
orders comes from models that know the train part alone.
"""

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.options import SplitOptions

TRAIN, LATE, EVAL = 0, 1, 2
EVAL_DRAW, LATE_DRAW = 0, 1  # columns of `draws`

# Keeps the half that is rounded up where the product falls just short of it.
_ROUNDING = 1e-9
_DRAW_BYTES = 8


def _nothing() -> NDArray[np.uint64]:
    return np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True)
class Bounds:
    """What a strategy must know of all users to divide one; those per user need nothing.

    Attributes:
        train_until: of `global_time`, the newest timestamp of the train part.
        late_until: of `global_time`, the newest timestamp of the late part.
        late_below: of `random_per_item`, uint64 [items]: training interactions with a lower draw
            are late.
        eval_below: of `random_per_item`, uint64 [items]: interactions with a lower draw are eval.
    """

    train_until: int = 0
    late_until: int = 0
    late_below: NDArray[np.uint64] = field(default_factory=_nothing)
    eval_below: NDArray[np.uint64] = field(default_factory=_nothing)


def held_out_count(count: int, fraction: float) -> int:
    """Returns count * fraction, rounded; always less than `count` (at least 1): one stays."""
    return min(count - 1, math.floor(count * fraction + 0.5 + _ROUNDING))


def last_train_time(timestamps: NDArray[np.int64], fraction: float) -> int:
    """Returns the newest timestamp of what stays when the last `fraction` is held out.

    Interactions of the same second stay together, so at most `fraction` is held out.

    Args:
        timestamps: int64 [n], n >= 1, seconds since 1970 UTC, in any order.
        fraction: the share to hold out, between 0 and 1.
    """
    rank = len(timestamps) - held_out_count(len(timestamps), fraction) - 1
    return int(np.partition(timestamps, rank)[rank])


def time_bounds(timestamps: NDArray[np.int64], options: SplitOptions) -> Bounds:
    """Returns the bounds of the strategy `global_time`.

    Args:
        timestamps: int64 [n], n >= 1, of all interactions, in any order.
        options: fractions of the eval and the late part.
    """
    late_until = last_train_time(timestamps, options.eval_fraction)
    training = timestamps[timestamps <= late_until]
    return Bounds(last_train_time(training, options.late_fraction), late_until)


def draws(user: str, items: list[str], seed: int) -> NDArray[np.uint64]:
    """Draws two numbers for each of a user's items, uint64 [n, 2]: EVAL_DRAW and LATE_DRAW.

    They are a hash, so that the choice does not depend on the order of rows, files or workers.
    """
    digests = b"".join(
        hashlib.blake2b(f"{seed}\0{user}\0{item}".encode(), digest_size=2 * _DRAW_BYTES).digest()
        for item in items
    )
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2)


def draw_bounds(
    item: NDArray[np.int32], drawn: NDArray[np.uint64], items: int, fraction: float
) -> NDArray[np.uint64]:
    """Returns below which draw an item's interactions are held out.

    Args:
        item: int32 [n], each interaction's position in the catalogue.
        drawn: uint64 [n].
        items: in the catalogue.
        fraction: to hold out: of an item's m interactions round(m * fraction), but not all.

    Returns:
        uint64 [items].
    """
    order = np.lexsort((drawn, item))
    counts = np.bincount(item, minlength=items)
    held_out = np.minimum(np.rint(counts * fraction).astype(np.int64), counts - 1)
    some = np.flatnonzero(held_out > 0)
    firsts = np.cumsum(counts) - counts
    bounds = np.zeros(items, dtype=np.uint64)
    bounds[some] = drawn[order[firsts[some] + held_out[some]]]
    return bounds


def parts_of_user(
    user: str,
    items: list[str],
    item: NDArray[np.int32],
    timestamps: NDArray[np.int64],
    options: SplitOptions,
    seed: int,
    bounds: Bounds,
) -> NDArray[np.int8]:
    """Says which part each of a user's interactions belongs to.

    Args:
        user: the user's id.
        items: item ids [n], by time.
        item: int32 [n], their positions in the catalogue.
        timestamps: int64 [n], ascending.
        options: strategy and fractions.
        seed: of the random strategies.
        bounds: for the strategies that are not per user.

    Returns:
        int8 [n] of TRAIN, LATE and EVAL. With the strategies per user, at least one interaction
        stays in train.
    """
    part = np.full(len(items), TRAIN, dtype=np.int8)
    if options.strategy == "global_time":
        part[timestamps > bounds.train_until] = LATE
        part[timestamps > bounds.late_until] = EVAL
        return part
    if options.strategy == "random_per_item":
        drawn = draws(user, items, seed)
        part[drawn[:, LATE_DRAW] < bounds.late_below[item]] = LATE
        part[drawn[:, EVAL_DRAW] < bounds.eval_below[item]] = EVAL
        return part
    return _parts_by_user(part, user, items, options, seed)


def _parts_by_user(
    part: NDArray[np.int8], user: str, items: list[str], options: SplitOptions, seed: int
) -> NDArray[np.int8]:
    """Marks the parts of the strategies that look at one user at a time."""
    random = options.strategy == "random_per_user"
    drawn = draws(user, items, seed) if random else None
    for value, fraction, column in (
        (EVAL, options.eval_fraction, EVAL_DRAW),
        (LATE, options.late_fraction, LATE_DRAW),
    ):
        left = np.flatnonzero(part == TRAIN)
        if drawn is not None:
            left = left[np.argsort(drawn[left, column])[::-1]]
        count = held_out_count(len(left), fraction)
        if options.strategy == "leave_one_out":
            count = min(len(left) - 1, 1)
        part[left[len(left) - count :]] = value
    return part
