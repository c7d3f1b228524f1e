"""Rows that were left out: their reasons, how they are written, and when they are too many."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from tfx.dsl.io import fileio

from components import staging
from components.errors import DataError

MALFORMED = "malformed"  # wrong number of fields, broken quotes, or no UTF-8
EMPTY_USER = "empty_user"
EMPTY_ITEM = "empty_item"
LINE_BREAK_IN_ID = "line_break_in_id"  # of a user or an item
BAD_RATING = "bad_rating"  # no number
RATING_OUT_OF_RANGE = "rating_out_of_range"
BAD_POSITION = "bad_position"  # neither empty nor a number from 1
BAD_TIMESTAMP = "bad_timestamp"  # no whole number, negative, or past the year 2100
UNKNOWN_ITEM = "unknown_item"  # not in the catalogue
DUPLICATE = "duplicate"  # the same user and item again: the latest is kept
DUPLICATE_ITEM = "duplicate_item"  # the same item again in the catalogue: the first is kept
DUPLICATE_USER = "duplicate_user"  # the same user again in the users file: the first is kept

REJECTED_FILE = "rejected.csv"
COUNTS_FILE = "counts.json"
# Names of parts, see `stage`: what reading finds is listed before what merging finds.
READING = "1-read-"
MERGING = "2-merge-"
_ROWS = "rejected-rows-"
_COUNTS = "rejected-counts-"
_SHOWN_ROWS = 3
_WRITTEN_ROWS = 10_000  # at a time
_NEWLINE = "\n"


class RejectedRow(NamedTuple):
    """A row that was left out: why, and where it stands (`line` counts from 1)."""

    reason: str
    file: str
    line: int
    text: str


def fault_of_id(text: str, empty: str) -> str | None:
    """Returns why an id is unusable, or None.

    Vocabularies and the servable's tables are text files with one id a line. TensorFlow's tables
    end a line at LF, bytes.splitlines at LF or CR, and tft.vocabulary leaves out what holds either:
    an id with one would shift all that follow. Other separators of Unicode are text to all three.

    Args:
        text: the id.
        empty: the reason for an id without any visible character.
    """
    if not text.strip():
        return empty
    return LINE_BREAK_IN_ID if "\n" in text or "\r" in text else None


class Rejections(NamedTuple):
    """What the workers left out, summed up; the rows themselves stay in the staged files.

    `rows_read` counts accepted rows too, `counts` has the rejected rows by reason, and `first` the
    first faulty ones (any reason but `duplicate`) by file and line.
    """

    staged: str
    rows_read: int
    counts: dict[str, int]
    first: list[RejectedRow]

    @property
    def faulty(self) -> int:
        """How many rows something is wrong with: those that repeat a user and item are fine."""
        return sum(count for reason, count in self.counts.items() if reason != DUPLICATE)


def stage(folder: str, name: str, rows_read: int, rows: Iterable[RejectedRow]) -> None:
    """Keeps the rejected rows of a part of the work until `write_rejected` lists them.

    Args:
        folder: of staged files.
        name: of the part; the parts are listed in the order of their names.
        rows_read: rows of the files that this part read, accepted or not.
        rows: those that were left out.
    """
    ordered = sorted(rows, key=_place)
    faulty = (row for row in ordered if row.reason != DUPLICATE)
    counts = Counter(row.reason for row in ordered)
    staging.save(folder, _ROWS + name, ordered)
    # Apart from the rows, so that judging them does not mean reading them.
    staging.save(folder, _COUNTS + name, (rows_read, counts, list(islice(faulty, _SHOWN_ROWS))))


def collect(folder: str) -> Rejections:
    """Sums up what `stage` kept in a folder."""
    rows_read, counts, first = 0, Counter[str](), list[RejectedRow]()
    for part_rows_read, part_counts, part_first in staging.load_all(folder, _COUNTS):
        rows_read += part_rows_read
        counts += part_counts
        first = sorted(first + part_first, key=_place)[:_SHOWN_ROWS]
    return Rejections(folder, rows_read, dict(sorted(counts.items())), first)


def write_rejected(folder: str, *inputs: Rejections) -> None:
    """Writes `rejected.csv` and `counts.json` of one or several inputs into a folder.

    Logs of implicit feedback may hold millions of duplicates, so the rows are read part by part:
    first what was faulty as it was read, by file and line, then what was rejected as the parts were
    merged, part by part.
    """
    fileio.makedirs(folder)
    with fileio.open(os.path.join(folder, REJECTED_FILE), "w") as file:
        file.write(_csv([("reason", "file", "line", "row")]))
        for rejected in inputs:
            for rows in staging.load_all(rejected.staged, _ROWS):
                for start in range(0, len(rows), _WRITTEN_ROWS):
                    file.write(_csv(rows[start : start + _WRITTEN_ROWS]))
    counts = sum((Counter(rejected.counts) for rejected in inputs), Counter[str]())
    with fileio.open(os.path.join(folder, COUNTS_FILE), "w") as file:
        file.write(json.dumps(dict(sorted(counts.items())), indent=2) + _NEWLINE)


def check_rejected(rejected: Rejections, max_fraction: float, source: str, folder: str) -> None:
    """Raises when too many rows were rejected, and then keeps their list outside the artifact.

    Interactions that repeat a user and item (`duplicate`) do not count: logs of implicit feedback
    are full of them, and nothing is wrong with those rows.

    Args:
        rejected: what was left out.
        max_fraction: of the rows read that may be rejected, 0 to 1.
        source: the name of the input, for the message.
        folder: the artifact's folder. TFX removes it when a component fails, so the list goes to
            a folder beside it.

    Raises:
        DataError: if there is no row, no valid row, or more rejected rows than allowed.
    """
    rows_read, faulty = rejected.rows_read, rejected.faulty
    if rows_read == 0:
        raise DataError(
            f"{source}: expected rows below the header line. Found none. Deliver the file again."
        )
    if faulty < rows_read and faulty <= max_fraction * rows_read:
        return
    kept = f"{folder.rstrip('/')}-refused"
    write_rejected(kept, rejected)
    first = "; ".join(f"{row.file}:{row.line} {row.reason}" for row in rejected.first)
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in rejected.counts.items() if reason != DUPLICATE
    )
    allowed = (
        "none is left"
        if faulty == rows_read
        else f"{faulty / rows_read:.2%}, allowed: {max_fraction:.2%}"
    )
    raise DataError(
        f"{source}: {faulty} of {rows_read} rows are unusable ({allowed}): {reasons}. "
        f"First: {first}. All: {os.path.join(kept, REJECTED_FILE)}. "
        "Mend the rows, or raise data.max_rejected_fraction."
    )


def _place(row: RejectedRow) -> tuple[str, int]:
    return row.file, row.line


def _csv(rows: Iterable[Iterable[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=_NEWLINE).writerows(rows)
    return buffer.getvalue()
