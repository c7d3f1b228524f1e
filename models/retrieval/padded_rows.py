"""Rows of a sparse table as dense batches that pad little."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FILLED = 0.75  # the shortest row of a batch is at least this share of the longest


@dataclass(frozen=True)
class PaddedRows:
    """Rows of about the same length.

    Attributes:
        row: int64 [B].
        column: int32 [B, S], 0 pads; each row's columns in the order of the entries.
    """

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int32]


def padded_rows(
    row: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    rows: int,
    most_rows: int,
    most_entries: int,
    keep_empty: bool,
) -> list[PaddedRows]:
    """Groups the rows of a sparse table by length.

    Args:
        row: int64 [n], 1 to `rows`.
        column: int64 [n], from 1.
        rows: number of rows.
        most_rows: in a batch.
        most_entries: in a batch, padding counted, unless one row alone has more.
        keep_empty: whether rows without an entry are there too.

    Returns:
        Batches, the longest rows first; each row is in one.
    """
    columns = column[np.argsort(row, kind="stable")].astype(np.int32)
    counts = np.bincount(row, minlength=rows + 1)
    starts = np.cumsum(counts) - counts
    by_length = 1 + np.argsort(-counts[1:], kind="stable")
    lengths = counts[by_length]
    number = rows if keep_empty else int(np.count_nonzero(lengths))
    batches = []
    begin = 0
    while begin < number:
        longest = max(1, int(lengths[begin]))
        similar = int(np.searchsorted(-lengths, -FILLED * lengths[begin], side="right"))
        end = min(number, similar, begin + most_rows, begin + max(1, most_entries // longest))
        own = by_length[begin:end]
        places = starts[own][:, np.newaxis] + np.arange(longest)
        inside = np.arange(longest) < counts[own][:, np.newaxis]
        padded = np.where(inside, columns[np.minimum(places, len(columns) - 1)], np.int32(0))
        batches.append(PaddedRows(own, padded))
        begin = end
    return batches
