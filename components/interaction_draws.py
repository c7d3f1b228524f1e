"""The strategy `random_per_item`: how many of an item's interactions are held out is exact."""

from collections.abc import Iterable

import numpy as np

from components import splits
from components.interaction_rows import Interactions
from components.options import SplitOptions
from components.splits import EVAL_DRAW, LATE_DRAW, Bounds


def find_bounds(
    buckets: Iterable[Interactions], ids: list[str], options: SplitOptions, seed: int
) -> Bounds:
    """Draws numbers for all interactions and finds below which ones they are held out.

    It keeps 20 bytes of each interaction in memory, and twice that while they are sorted.

    Args:
        buckets: all interactions; rows of a bucket ordered by user.
        ids: of the items in the catalogue.
        options: fractions of the eval and the late part.
        seed: of the draws.
    """
    items, drawn = [], []
    for rows in buckets:
        starts = np.searchsorted(rows.user, np.arange(len(rows.users) + 1))
        for number, user in enumerate(rows.users):
            item = rows.item[starts[number] : starts[number + 1]]
            items.append(item)
            drawn.append(splits.draws(user, [ids[position] for position in item], seed))
    item, draw = np.concatenate(items), np.concatenate(drawn)
    eval_below = splits.draw_bounds(item, draw[:, EVAL_DRAW], len(ids), options.eval_fraction)
    training = draw[:, EVAL_DRAW] >= eval_below[item]
    late = draw[training, LATE_DRAW]
    late_below = splits.draw_bounds(item[training], late, len(ids), options.late_fraction)
    return Bounds(late_below=late_below, eval_below=eval_below)
