"""Which items users have close to each other in time, counted over all histories.

What one has next depends on what one had just now far more than on what one had long ago; a table
of all pairs of a history, as EASE and the neighbourhood models have it, does not see that.

Source: Davidson et al. 2010, The YouTube video recommendation system,
doi:10.1145/1864708.1864770.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.candidates.options import CoVisitationOptions
from models.item_table import FloatArray
from models.ties import scattered, tie_order

DECAY = 0.5  # of a window: how many places further on what follows counts 1/e
PAIRS_AT_ONCE = 30_000_000  # summed in memory, 12 bytes each and as much again to sort them
PLACES_AT_ONCE = 4_000_000  # of histories, looked at

Longs = npt.NDArray[np.int64]


class Interactions(NamedTuple):
    """Who had what when, n rows in any order.

    Attributes:
        user: int64 [n], 0 unknown.
        item: int64 [n], 0 unknown.
        time: int64 [n], any unit.
    """

    user: Longs
    item: Longs
    time: Longs


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
        has at one time is near to each other, and does not follow one another.
    """
    histories = _Histories.of(interactions, items)
    counts = np.bincount(histories.item, minlength=items + 1)
    scale = (np.maximum(counts, 1.0) + options.shrinkage) ** -options.popularity_power
    most = options.width(items)
    # Any of the next few says nearly as much as the very next.
    window = options.following_window
    soon = np.exp(-np.arange(min(window, histories.longest)) / (DECAY * window))
    # Neighbours say by far the most, and all a little.
    adjacent = 1.0 / (1.0 + np.arange(min(options.nearby_window, histories.longest)))
    rows = np.arange(len(histories.item))
    return CoVisitation(
        following=_table(_Pairs(histories, histories.time_start, soon, False), scale, most),
        nearby=_table(_Pairs(histories, rows, adjacent, True), scale, most),
    )


class _Histories(NamedTuple):
    """The interactions of known users with known items, by user and time: n rows.

    Attributes:
        item: int64 [n].
        user_start: int64 [n], the first row of the same user.
        time_start: int64 [n], the first row of the same user and time.
    """

    item: Longs
    user_start: Longs
    time_start: Longs

    @classmethod
    def of(cls, interactions: Interactions, items: int) -> "_Histories":
        known = (interactions.user > 0) & (interactions.item > 0)
        user, item, time = (column[known] for column in interactions)
        # Which of a time comes first nobody knows: another one for each user, and always the same.
        order = np.lexsort((scattered(user * (items + 1) + item), time, user))
        user, item, time = user[order], item[order], time[order]
        new_user = np.ones(len(item), np.bool_)
        new_user[1:] = user[1:] != user[:-1]
        new_time = new_user.copy()
        new_time[1:] |= time[1:] != time[:-1]
        return cls(item, _last_true(new_user), _last_true(new_time))

    @property
    def longest(self) -> int:
        """The most places before any."""
        return int((np.arange(len(self.item)) - self.user_start).max(initial=0))

    def before(self, end: Longs, places: int) -> Longs:
        """Returns the items that users had just before the rows `end` [b]: [b, places], 0 pads."""
        place = end[:, np.newaxis] - 1 - np.arange(places)
        there = place >= self.user_start[end][:, np.newaxis]
        return np.where(there, self.item[np.where(there, place, 0)], 0)


def _last_true(mask: npt.NDArray[np.bool_]) -> Longs:
    """Returns the last place at or before each that is true: int64 [n]; the first must be."""
    return np.maximum.accumulate(np.where(mask, np.arange(len(mask)), 0))


class _Pairs(NamedTuple):
    """Which pairs are counted.

    Attributes:
        histories: of n rows.
        end: int64 [n], before which row of the same user the items of each row's pairs are.
        weight: float64 [W], of a pair by its distance; further ones are not counted.
        both_ways: whether the later item speaks for the earlier one, too.
    """

    histories: _Histories
    end: Longs
    weight: npt.NDArray[np.float64]
    both_ways: bool

    def summed(self, first: int, last: int, size: int) -> sparse.csr_matrix:
        """Sums the pairs of which an item from `first` to before `last` speaks.

        Args:
            first: item index.
            last: item index.
            size: N+1.

        Returns:
            float32 [last - first, N+1].
        """
        weight, places = self.weight.astype(np.float32), len(self.weight)
        rows, columns, weights = [], [], []
        step = max(1, PLACES_AT_ONCE // max(1, places))
        for start in range(0, len(self.end), step):
            before = self.histories.before(self.end[start : start + step], places)
            item = self.histories.item[start : start + step, np.newaxis]
            pair = np.broadcast_arrays(before, item)
            differ = (before > 0) & (before != item)
            for speaker, other in (pair, pair[::-1]) if self.both_ways else (pair,):
                row, place = np.nonzero(differ & (speaker >= first) & (speaker < last))
                rows.append((speaker[row, place] - first).astype(np.int32))
                columns.append(other[row, place].astype(np.int32))
                weights.append(weight[place])
        if not rows:
            return sparse.csr_matrix((last - first, size), dtype=np.float32)
        where = (np.concatenate(rows), np.concatenate(columns))
        return sparse.csr_matrix((np.concatenate(weights), where), shape=(last - first, size))


def _table(pairs: _Pairs, scale: npt.NDArray[np.float64], most: int) -> NeighbourTable:
    """Scales the sums of pairs by both items and keeps the largest of each item, in order."""
    size = len(scale)
    table = NeighbourTable.empty(size - 1, most)
    ties = tie_order(size)
    for first, last in _blocks(pairs, size):
        summed = pairs.summed(first, last, size)
        row = np.repeat(np.arange(last - first), np.diff(summed.indptr))
        weight = (summed.data * scale[first + row] * scale[summed.indices]).astype(np.float32)
        # By row, then by weight; ties always alike, so that the same data give the same table.
        order = np.lexsort((ties[summed.indices], -weight, row))
        place = np.arange(len(row)) - summed.indptr[row]
        kept = place < most
        order, row, place = order[kept], first + row[kept], place[kept]
        table.index[row, place] = summed.indices[order]
        table.weight[row, place] = weight[order]
    width = max(1, int((table.index > 0).any(axis=0).sum()))
    return NeighbourTable(table.index[:, :width].copy(), table.weight[:, :width].copy())


def _blocks(pairs: _Pairs, size: int) -> list[tuple[int, int]]:
    """Divides the items so that the pairs of each part have room in memory."""
    of_item = np.bincount(pairs.histories.item, minlength=size) * float(len(pairs.weight))
    if pairs.both_ways:
        of_item *= 2.0
    block = (np.cumsum(of_item) // PAIRS_AT_ONCE).astype(np.int64)
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(block)) + 1, [size]])
    return [(int(first), int(last)) for first, last in zip(bounds[:-1], bounds[1:], strict=True)]
