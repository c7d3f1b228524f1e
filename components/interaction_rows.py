"""Interactions as packed columns: checked, divided by user, merged and freed of duplicates."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import rejects
from components.csv_reader import FileChunk, Records
from components.options import InteractionOptions
from components.rejects import RejectedRow

LATEST_TIMESTAMP_S = 4_102_444_800  # 2100-01-01: anything later is a unit mixed up
_Array = NDArray[Any]


@dataclass(frozen=True)
class ColumnPositions:
    """Where the mapped columns stand in a file's rows; None where there is no such column."""

    user: int
    item: int
    rating: int | None
    timestamp: int
    position: int | None = None


@dataclass
class Interactions:
    """Interactions as columns, n rows; `users` holds each name once.

    `user` int32 [n] points into `users`, `item` int32 [n] into the catalogue, `rating` is
    float32 [n] (0 for implicit feedback), `timestamp` int64 [n] in seconds since 1970 UTC,
    `position` float32 [n] from 1 (0 where unknown). `file`, `line`, `offset` and `length` (both
    bytes) say where the row came from.
    """

    users: list[str]
    user: _Array
    item: _Array
    rating: _Array
    timestamp: _Array
    position: _Array
    file: _Array
    line: _Array
    offset: _Array
    length: _Array

    def take(self, rows: _Array) -> "Interactions":
        """Returns the given rows, with the users that are left."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self)[1:]}
        left, columns["user"] = np.unique(columns["user"], return_inverse=True)
        columns["user"] = columns["user"].astype(np.int32)
        return Interactions([self.users[user] for user in left], **columns)

    def by_bucket(self, buckets: int) -> dict[int, "Interactions"]:
        """Divides the rows so that all of a user's share a bucket, the same in each chunk."""
        bucket_of_user = np.array([bucket_of(user, buckets) for user in self.users], dtype=np.int64)
        bucket = bucket_of_user[self.user] if len(self.user) else np.zeros(0, np.int64)
        return {int(b): self.take(np.flatnonzero(bucket == b)) for b in np.unique(bucket)}


def bucket_of(user: str, buckets: int) -> int:
    """Returns the bucket that all of a user's rows share."""
    return zlib.crc32(user.encode()) % buckets


def check_rows(
    records: Records,
    chunk: FileChunk,
    positions: ColumnPositions,
    options: InteractionOptions,
    item_index: dict[str, int],
) -> tuple[Interactions, list[RejectedRow]]:
    """Turns a chunk's records into columns, and says which rows are unusable and why.

    Args:
        records: well-formed records of the chunk.
        chunk: says which file they come from.
        positions: where the columns stand.
        options: the range of ratings and the unit of timestamps.
        item_index: position in the catalogue by item id.

    Returns:
        The accepted rows in file order, and the rejected ones. A row with several faults is
        counted under the first of: user, item, rating, timestamp, position, item not in the
        catalogue.
    """
    rows = records.rows
    names = [row[positions.user] for row in rows]
    user_index = {user: i for i, user in enumerate(dict.fromkeys(names))}
    items = [row[positions.item] for row in rows]
    item = np.array([item_index.get(text, -1) for text in items], dtype=np.int32)
    timestamp = _timestamps([row[positions.timestamp] for row in rows], options.timestamp_unit)
    reason = np.full(len(rows), "", dtype=object)
    reason[item < 0] = rejects.UNKNOWN_ITEM
    position = np.zeros(len(rows))
    if positions.position is not None:
        position = _positions([row[positions.position] for row in rows])
        reason[position < 0] = rejects.BAD_POSITION
    reason[timestamp < 0] = rejects.BAD_TIMESTAMP
    rating = np.zeros(len(rows))
    if positions.rating is not None:
        rating = _numbers([row[positions.rating] for row in rows])
        low, high = options.rating_range
        with np.errstate(invalid="ignore"):
            reason[(rating < low) | (rating > high)] = rejects.RATING_OUT_OF_RANGE
        reason[np.isnan(rating)] = rejects.BAD_RATING
    for texts, empty in ((items, rejects.EMPTY_ITEM), (names, rejects.EMPTY_USER)):
        faults = {text: rejects.fault_of_id(text, empty) for text in set(texts)}
        if any(faults.values()):
            reason[:] = [faults[text] or found for text, found in zip(texts, reason, strict=True)]
    accepted = np.flatnonzero(reason == "")
    everything = Interactions(
        list(user_index),
        np.array([user_index[user] for user in names], dtype=np.int32),
        item,
        rating.astype(np.float32),
        timestamp,
        position.astype(np.float32),
        np.full(len(rows), chunk.file, dtype=np.int32),
        np.array(records.lines, dtype=np.int64),
        np.array(records.offsets, dtype=np.int64),
        np.array([len(raw) for raw in records.raw], dtype=np.int32),
    )
    rejected = [
        RejectedRow(reason[i], chunk.name, records.lines[i], records.raw[i].decode())
        for i in np.flatnonzero(reason != "")
    ]
    return everything.take(accepted), rejected


def merge(parts: Sequence[Interactions]) -> tuple[Interactions, Interactions]:
    """Joins the parts of a bucket and keeps the latest row of each user and item.

    Returns:
        The kept rows, ordered by user name, then time, then place in the files; and the duplicates.
    """
    users = sorted({user for part in parts for user in part.users})
    index = {user: i for i, user in enumerate(users)}
    columns = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Interactions)[2:]
    }
    user = np.concatenate(
        [np.array([index[u] for u in part.users], dtype=np.int32)[part.user] for part in parts]
    )
    joined = Interactions(users, user, **columns)
    order = np.lexsort((joined.line, joined.file, joined.timestamp, joined.user))
    ordered = joined.take(order)
    pair = (ordered.user.astype(np.int64) << 32) | ordered.item
    _, from_the_end = np.unique(pair[::-1], return_index=True)
    kept = np.zeros(len(pair), dtype=bool)
    kept[len(pair) - 1 - from_the_end] = True
    return ordered.take(np.flatnonzero(kept)), ordered.take(np.flatnonzero(~kept))


def _numbers(texts: list[str]) -> _Array:
    """float64 [n]; NaN where a text is no number."""
    return np.array([_number(text) for text in texts], dtype=np.float64)


def _number(text: str) -> float:
    try:
        # Python reads 1_0 as 10; in data that is a slip.
        return float(text) if "_" not in text else float("nan")
    except ValueError:
        return float("nan")


def _positions(texts: list[str]) -> _Array:
    """float64 [n]; 0 where a text is blank, -1 where it is neither blank nor a number from 1."""
    found = _numbers([text if text.strip() else "0" for text in texts])
    blank = np.array([not text.strip() for text in texts], dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        usable = (found >= 1) & np.isfinite(found)
    return np.where(usable | blank, found, -1.0)


def _timestamps(texts: list[str], unit: str) -> _Array:
    """Seconds, int64 [n]; -1 where a text is no whole number or out of the plausible range."""
    divisor = 1000 if unit == "ms" else 1
    return np.array([_timestamp(text, divisor) for text in texts], dtype=np.int64)


def _timestamp(text: str, divisor: int) -> int:
    try:
        seconds = int(text) // divisor if "_" not in text else -1
    except ValueError:
        return -1
    return seconds if 0 <= seconds < LATEST_TIMESTAMP_S else -1
