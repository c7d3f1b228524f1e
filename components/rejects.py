"""Rows that were left out: their reasons, how they are written, and when they are too many."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tfx.dsl.io import fileio

from components.errors import DataError

MALFORMED = "malformed"  # wrong number of fields, broken quotes, or no UTF-8
EMPTY_USER = "empty_user"
EMPTY_ITEM = "empty_item"
BAD_RATING = "bad_rating"  # no number
RATING_OUT_OF_RANGE = "rating_out_of_range"
BAD_TIMESTAMP = "bad_timestamp"  # no whole number, negative, or past the year 2100
UNKNOWN_ITEM = "unknown_item"  # not in the catalogue
DUPLICATE = "duplicate"  # the same user and item again: the latest is kept
DUPLICATE_ITEM = "duplicate_item"  # the same item again in the catalogue: the first is kept

REJECTED_FILE = "rejected.csv"
COUNTS_FILE = "counts.json"
_SHOWN_ROWS = 3
_NEWLINE = "\n"


class RejectedRow(NamedTuple):
    """A row that was left out: why, and where it stands (`line` counts from 1)."""

    reason: str
    file: str
    line: int
    text: str


def write_rejected(folder: str, rows: Iterable[RejectedRow]) -> dict[str, int]:
    """Writes `rejected.csv` and `counts.json` into a folder, in the order of file and line.

    Returns:
        The number of rows by reason.
    """
    ordered = sorted(rows, key=lambda row: (row.file, row.line))
    counts = dict(sorted(Counter(row.reason for row in ordered).items()))
    fileio.makedirs(folder)
    with fileio.open(os.path.join(folder, REJECTED_FILE), "w") as file:
        for start in range(0, len(ordered) + 1, 10_000):
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator=_NEWLINE)
            if start == 0:
                writer.writerow(["reason", "file", "line", "row"])
            writer.writerows(ordered[start : start + 10_000])
            file.write(buffer.getvalue())
    with fileio.open(os.path.join(folder, COUNTS_FILE), "w") as file:
        file.write(json.dumps(counts, indent=2) + _NEWLINE)
    return counts


def check_rejected(
    rows_read: int, rejected: list[RejectedRow], max_fraction: float, source: str, folder: str
) -> None:
    """Raises when too many rows were rejected, and then keeps their list outside the artifact.

    Interactions that repeat a user and item (`duplicate`) do not count: logs of implicit feedback
    are full of them, and nothing is wrong with those rows.

    Args:
        rows_read: rows in the files, accepted or not.
        rejected: the rows that were left out.
        max_fraction: of `rows_read` that may be rejected, 0 to 1.
        source: the name of the input, for the message.
        folder: the artifact's folder. TFX removes it when a component fails, so the list goes to
            a folder beside it.

    Raises:
        DataError: if there is no row, no valid row, or more rejected rows than allowed.
    """
    faulty = sorted(
        (row for row in rejected if row.reason != DUPLICATE), key=lambda row: (row.file, row.line)
    )
    if rows_read == 0:
        raise DataError(
            f"{source}: expected rows below the header line. Found none. Deliver the file again."
        )
    if len(faulty) < rows_read and len(faulty) <= max_fraction * rows_read:
        return
    kept = f"{folder.rstrip('/')}-refused"
    counts = write_rejected(kept, rejected)
    first = "; ".join(f"{row.file}:{row.line} {row.reason}" for row in faulty[:_SHOWN_ROWS])
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in counts.items() if reason != DUPLICATE
    )
    allowed = (
        "none is left"
        if len(faulty) == rows_read
        else f"{len(faulty) / rows_read:.2%}, allowed: {max_fraction:.2%}"
    )
    raise DataError(
        f"{source}: {len(faulty)} of {rows_read} rows are unusable ({allowed}): {reasons}. "
        f"First: {first}. All: {os.path.join(kept, REJECTED_FILE)}. "
        "Mend the rows, or raise data.max_rejected_fraction."
    )
