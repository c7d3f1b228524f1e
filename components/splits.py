"""Which interactions are held out for evaluation."""

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from components.options import SplitOptions

# Keeps floor(n * fraction) right where the product falls just short: 0.29 * 100 < 29.
_ROUNDING = 1e-9


def held_out_count(count: int, fraction: float) -> int:
    """Returns floor(count * fraction): always less than `count`, so that train keeps one."""
    return math.floor(count * fraction + _ROUNDING)


def last_train_time(timestamps: NDArray[np.int64], fraction: float) -> int:
    """Returns the newest timestamp of the train part for the strategy `global_time`.

    Interactions of the same second stay together in train, so at most `fraction` is held out.

    Args:
        timestamps: int64 [n], n >= 1, seconds since 1970 UTC, in any order.
        fraction: the share to hold out, between 0 and 1.
    """
    rank = len(timestamps) - held_out_count(len(timestamps), fraction) - 1
    return int(np.partition(timestamps, rank)[rank])


def eval_rows(
    user: str,
    items: list[str],
    timestamps: NDArray[np.int64],
    options: SplitOptions,
    seed: int,
    train_until: int,
) -> NDArray[np.bool_]:
    """Says which of a user's interactions are held out.

    Args:
        user: the user's id.
        items: item ids [n], by time.
        timestamps: int64 [n], ascending.
        options: strategy and fraction.
        seed: for the strategy `random_per_user`.
        train_until: result of `last_train_time`, for the strategy `global_time`.

    Returns:
        bool [n]. With the strategies per user, at least one interaction stays in train.
    """
    count = len(items)
    held_out = np.zeros(count, dtype=np.bool_)
    if options.strategy == "global_time":
        return timestamps > train_until
    if options.strategy == "leave_one_out":
        held_out[max(count - 1, 1) :] = True
    elif options.strategy == "time_per_user":
        held_out[count - held_out_count(count, options.eval_fraction) :] = True
    else:
        # A hash, so that the choice does not depend on the order of rows, files or workers.
        keys = [zlib.crc32(f"{seed}\0{user}\0{item}".encode()) for item in items]
        chosen = sorted(range(count), key=lambda row: (keys[row], items[row]))
        held_out[chosen[: held_out_count(count, options.eval_fraction)]] = True
    return held_out
