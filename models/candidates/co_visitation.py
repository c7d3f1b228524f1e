"""Which items users have close to each other in time, counted over all histories.

What one has next depends on what one had just now far more than on what one had long ago; a table
of all pairs of a history, as EASE and the neighbourhood models have it, does not see that.

Source: Davidson et al. 2010, The YouTube video recommendation system,
doi:10.1145/1864708.1864770.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.candidates.options import CoVisitationOptions
from models.item_table import FloatArray
from models.ties import tie_order

DECAY = 0.5  # of a window: how many places further on what follows counts 1/e
ROWS_AT_ONCE = 65_536  # interactions whose pairs are counted at once

Ints = npt.NDArray[np.int64]
# Of places from 0, and of how many are looked at: how much a pair counts, from 1 for place 0.
Weigh = Callable[[npt.NDArray[np.float64], int], npt.NDArray[np.float64]]


class Interactions(NamedTuple):
    """Who had what when, n rows in any order.

    Attributes:
        user: int64 [n], 0 unknown.
        item: int64 [n], 0 unknown.
        time: int64 [n], any unit.
    """

    user: Ints
    item: Ints
    time: Ints


@dataclass(frozen=True)
class NeighbourTable:
    """For each item the items it speaks for, the strongest first.

    Rows are of one width, as a graph copies whole rows far faster than it finds single entries.

    Attributes:
        index: int32 [N+1, K], item indices, 0 pads; nothing for index 0.
        weight: float32 [N+1, K], positive, 0 pads.
    """

    index: npt.NDArray[np.int32]
    weight: FloatArray

    @classmethod
    def empty(cls, items: int, width: int) -> "NeighbourTable":
        """Returns one in which no item speaks for any, to be filled in place.

        Args:
            items: N.
            width: K.
        """
        shape = (items + 1, width)
        return cls(np.zeros(shape, np.int32), np.zeros(shape, np.float32))


@dataclass(frozen=True)
class CoVisitation:
    """Two views of the same histories.

    Attributes:
        following: what comes soon after an item.
        nearby: what is had around the same time, before or after.
    """

    following: NeighbourTable
    nearby: NeighbourTable


def co_visitation(
    interactions: Interactions, items: int, options: CoVisitationOptions
) -> CoVisitation:
    """Counts pairs of items.

    Args:
        interactions: of all users, in any order.
        items: size of the catalogue.
        options: windows and sizes.

    Returns:
        Both tables. The weight of a pair is its count, each occurrence weighed down with the
        distance in the history, over the counts of both items to `popularity_power`. What a user
        has in one second is near to each other, and does not follow one another.
    """
    histories = _Histories.of(interactions, items)
    shape = (items + 1, items + 1)
    # In float64: rounded to float32, sums do not depend on the order of the rows.
    after, around = sparse.csr_matrix(shape), sparse.csr_matrix(shape)
    for start in range(0, len(histories.item), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(histories.item)))
        earlier = histories.before(rows, histories.second[rows], options.following_window)
        after = after + _pairs(earlier, histories.item[rows], _soon, shape)
        before = histories.before(rows, rows, options.nearby_window)
        around = around + _pairs(before, histories.item[rows], _adjacent, shape)
    counts = np.bincount(histories.item, minlength=items + 1)
    scale = (np.maximum(counts, 1.0) + options.shrinkage) ** -options.popularity_power
    most = max(1, min(options.neighbours, options.entries // (items + 1)))
    return CoVisitation(
        following=_table(after, scale, most), nearby=_table(around + around.T, scale, most)
    )


class _Histories(NamedTuple):
    """The interactions of known users with known items, by user and time: n rows.

    Attributes:
        item: int64 [n].
        user_start: int64 [n], the first row of the same user.
        second: int64 [n], the first row of the same user and second.
    """

    item: Ints
    user_start: Ints
    second: Ints

    @classmethod
    def of(cls, interactions: Interactions, items: int) -> "_Histories":
        known = (interactions.user > 0) & (interactions.item > 0)
        user, item, time = (column[known] for column in interactions)
        # Which of a second comes first nobody knows; a fixed order gives the same table each time.
        order = np.lexsort((tie_order(items + 1)[item], time, user))
        user, item, time = user[order], item[order], time[order]
        new_user = np.ones(len(item), np.bool_)
        new_user[1:] = user[1:] != user[:-1]
        new_second = new_user.copy()
        new_second[1:] |= time[1:] != time[:-1]
        return cls(item, _last_true(new_user), _last_true(new_second))

    def before(self, rows: Ints, end: Ints, window: int) -> Ints:
        """Returns the items of the same users just before the rows `end`, newest first.

        Args:
            rows: int64 [b].
            end: int64 [b], rows of the same users, which are left out themselves.
            window: W, how many.

        Returns:
            int64 [b, W], 0 pads.
        """
        place = end[:, np.newaxis] - 1 - np.arange(window)
        there = place >= self.user_start[rows][:, np.newaxis]
        return np.where(there, self.item[np.where(there, place, 0)], 0)


def _last_true(mask: npt.NDArray[np.bool_]) -> Ints:
    """Returns the last place at or before each that is true: int64 [n]; the first must be."""
    return np.maximum.accumulate(np.where(mask, np.arange(len(mask)), 0))


def _soon(place: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Weighs by distance what follows: any of the next few says nearly as much as the first."""
    return np.exp(-place / (DECAY * window))


def _adjacent(place: npt.NDArray[np.float64], _: int) -> npt.NDArray[np.float64]:
    """Weighs by distance what is nearby: neighbours say by far the most, and all a little."""
    return 1.0 / (1.0 + place)


def _pairs(before: Ints, item: Ints, weigh: Weigh, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Counts how often an item [b] came after those before it [b, W]: [N+1, N+1]."""
    window = before.shape[1]
    weight = weigh(np.arange(window, dtype=np.float64), window)
    row, place = np.nonzero(before)
    pairs = (weight[place], (before[row, place], item[row]))
    return sparse.csr_matrix(pairs, shape=shape)


def _table(matrix: sparse.csr_matrix, scale: npt.NDArray[np.float64], most: int) -> NeighbourTable:
    """Scales rows and columns and keeps the largest of each row, in order."""
    pairs = matrix.tocoo()
    weight = (pairs.data * scale[pairs.row] * scale[pairs.col]).astype(np.float32)
    weight[pairs.row == pairs.col] = 0.0
    # By row, then by weight; ties always alike, so that the same data give the same table.
    order = np.lexsort((tie_order(len(scale))[pairs.col], -weight, pairs.row))
    order = order[weight[order] > 0.0]
    row = pairs.row[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # since the row began
    order, row, place = order[place < most], row[place < most], place[place < most]
    table = NeighbourTable.empty(len(scale) - 1, int(place.max(initial=0)) + 1)
    table.index[row, place] = pairs.col[order]
    table.weight[row, place] = weight[order]
    return table
