"""Which items users have close to each other in time, counted over all histories.

What one has next depends on what one had just now far more than on what one had long ago; a table
of all pairs of a history, as EASE and the neighbourhood models have it, does not see that.

Source: Davidson et al. 2010, The YouTube video recommendation system,
doi:10.1145/1864708.1864770.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models import features
from models.candidates.options import CoVisitationOptions
from models.item_table import FloatArray
from models.ties import tie_order

DECAY = 0.5  # of the window: how many places further on a pair counts 1/e of what it did

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class NeighbourTable:
    """For each item the items it speaks for, the strongest first.

    Attributes:
        splits: int64 [N+2], where the rows of items 0 to N begin, and the end.
        index: int32 [E], item indices.
        weight: float32 [E], positive.
    """

    splits: npt.NDArray[np.int64]
    index: npt.NDArray[np.int32]
    weight: FloatArray


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
    batches: Iterable[Columns], items: int, options: CoVisitationOptions
) -> CoVisitation:
    """Counts pairs of items.

    Args:
        batches: interactions with ITEM_INDEX and, as of just before each, HISTORY_INDEX.
        items: size of the catalogue.
        options: windows and sizes. A window is cut to the length of the histories.

    Returns:
        Both tables. The weight of a pair is its count, each occurrence weighed down exponentially
        with the distance in the history, over the counts of both items to `popularity_power`.
    """
    shape = (items + 1, items + 1)
    # In float64, for sums depend on the order of the rows, which Beam decides: rounded to float32
    # they do not.
    after, around = sparse.csr_matrix(shape), sparse.csr_matrix(shape)
    counts = np.zeros(items + 1)
    for batch in batches:
        item = batch[features.ITEM_INDEX]
        history = batch[features.HISTORY_INDEX]
        counts += np.bincount(item, minlength=items + 1)
        after = after + _pairs(history, item, options.following_window, shape)
        around = around + _pairs(history, item, options.nearby_window, shape)
    scale = (np.maximum(counts, 1.0) + options.shrinkage) ** -options.popularity_power
    most = max(1, min(options.neighbours, options.entries // (items + 1)))
    return CoVisitation(
        following=_table(after, scale, most), nearby=_table(around + around.T, scale, most)
    )


def _pairs(
    history: npt.NDArray[Any],
    item: npt.NDArray[Any],
    window: int,
    shape: tuple[int, int],
) -> sparse.csr_matrix:
    """Counts how often a row's item came after the items of its history, [N+1, N+1]."""
    recent = history[:, :window]
    weight = np.exp(-np.arange(recent.shape[1]) / (DECAY * window))
    there = (recent > 0) & (item > 0)[:, np.newaxis]
    row, place = np.nonzero(there)
    pairs = (weight[place], (recent[row, place], item[row]))
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
    first = np.searchsorted(row, row)  # where each row begins
    order = order[np.arange(len(row)) - first < most]
    lengths = np.bincount(pairs.row[order], minlength=len(scale))
    return NeighbourTable(
        splits=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        index=pairs.col[order].astype(np.int32),
        weight=weight[order],
    )
