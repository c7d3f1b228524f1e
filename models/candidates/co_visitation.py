"""Which items users have close to each other in time, counted over all histories.

What one has next depends on what one had just now far more than on what one had long ago; a table
of all pairs of a history, as EASE and the neighbourhood models have it, does not see that.

Source: Davidson et al. 2010, The YouTube video recommendation system,
doi:10.1145/1864708.1864770.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
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
    window, longest = options.following_window, histories.longest
    soon = np.exp(-np.arange(min(window, longest)) / (DECAY * window)).astype(np.float32)
    # Neighbours say by far the most, and all a little.
    places = np.arange(min(options.nearby_window, longest))
    adjacent = (1.0 / (1.0 + places)).astype(np.float32)
    following = functools.partial(_following, histories, soon)
    nearby = functools.partial(_nearby, histories, adjacent)
    return CoVisitation(
        following=_table(following, _blocks(counts * len(soon)), scale, most),
        nearby=_table(nearby, _blocks(2 * counts * len(adjacent)), scale, most),
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

    def walk(self, rows: Longs, start: Longs, step: int, places: int) -> Longs:
        """Returns the items of the same users from a row on.

        Args:
            rows: int64 [b].
            start: int64 [b], rows to start from, which may be beyond the user.
            step: 1 for later and later items, -1 for earlier and earlier ones.
            places: P.

        Returns:
            int64 [b, P], 0 where the user has none.
        """
        place = start[:, np.newaxis] + step * np.arange(places)
        there = (place >= 0) & (place < len(self.item))
        place = np.where(there, place, 0)
        there &= self.user_start[place] == self.user_start[rows, np.newaxis]
        return np.where(there, self.item[place], 0)


def _last_true(mask: npt.NDArray[np.bool_]) -> Longs:
    """Returns the last place at or before each that is true: int64 [n]; the first must be."""
    return np.maximum.accumulate(np.where(mask, np.arange(len(mask)), 0))


class _Pairs(NamedTuple):
    """Occurrences of pairs, p of them.

    Attributes:
        speaker: int64 [p], the item that speaks.
        other: int64 [p], the item that it speaks for.
        weight: float32 [p].
    """

    speaker: Longs
    other: Longs
    weight: FloatArray


def _following(histories: _Histories, weight: FloatArray, block: range) -> Iterator[_Pairs]:
    """Yields which item each item of the block was followed by, with a weight by distance."""
    for rows in _in_parts(np.arange(len(histories.item)), len(weight)):
        before = histories.walk(rows, histories.time_start[rows] - 1, -1, len(weight))
        row, place = np.nonzero((before >= max(1, block.start)) & (before < block.stop))
        yield _Pairs(before[row, place], histories.item[rows][row], weight[place])


def _nearby(histories: _Histories, weight: FloatArray, block: range) -> Iterator[_Pairs]:
    """Yields what came around each item of the block, with a weight by distance."""
    own = np.flatnonzero((histories.item >= block.start) & (histories.item < block.stop))
    for rows in _in_parts(own, len(weight)):
        for step in (1, -1):
            other = histories.walk(rows, rows + step, step, len(weight))
            row, place = np.nonzero(other)
            yield _Pairs(histories.item[rows][row], other[row, place], weight[place])


def _in_parts(rows: Longs, places: int) -> Iterator[Longs]:
    step = max(1, PLACES_AT_ONCE // max(1, places))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _blocks(occurrences: Longs) -> list[range]:
    """Divides the items so that the pairs of each block have room in memory.

    Args:
        occurrences: int64 [N+1], of pairs of which each item speaks, at most.
    """
    block = np.cumsum(occurrences) // PAIRS_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(occurrences)]
    return [range(first, last) for first, last in itertools.pairwise(bounds)]


def _table(
    pairs_of: Callable[[range], Iterator[_Pairs]],
    blocks: list[range],
    scale: npt.NDArray[np.float64],
    most: int,
) -> NeighbourTable:
    """Sums pairs, scales the sums by both items and keeps the largest of each item, in order."""
    table = NeighbourTable.empty(len(scale) - 1, most)
    ties = tie_order(len(scale))
    for block in blocks:
        summed = _summed(pairs_of(block), block, len(scale))
        row = np.repeat(np.arange(len(block)), np.diff(summed.indptr))
        weight = summed.data * scale[block.start + row] * scale[summed.indices]
        weight = weight.astype(np.float32)
        # By row, then by weight; ties always alike, so that the same data give the same table.
        order = np.lexsort((ties[summed.indices], -weight, row))
        place = np.arange(len(row)) - summed.indptr[row]
        kept = place < most
        order, row, place = order[kept], block.start + row[kept], place[kept]
        table.index[row, place] = summed.indices[order]
        table.weight[row, place] = weight[order]
    width = max(1, int((table.index > 0).any(axis=0).sum()))
    return NeighbourTable(table.index[:, :width].copy(), table.weight[:, :width].copy())


def _summed(parts: Iterable[_Pairs], block: range, size: int) -> sparse.csr_matrix:
    """Adds the occurrences of each pair of two items: float32 [items of the block, N+1]."""
    rows, columns, weights = (
        [np.zeros(0, np.int32)],
        [np.zeros(0, np.int32)],
        [np.zeros(0, np.float32)],
    )
    for part in parts:
        differ = part.speaker != part.other
        rows.append((part.speaker[differ] - block.start).astype(np.int32))
        columns.append(part.other[differ].astype(np.int32))
        weights.append(part.weight[differ])
    where = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix((np.concatenate(weights), where), shape=(len(block), size))
