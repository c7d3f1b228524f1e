"""Catalogue rows: checked, freed of duplicates and encoded as Examples."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from components import example_codec as codec
from components import rejects
from components.csv_reader import Header, Records
from components.options import CatalogueOptions, ReleasedColumn
from components.rejects import RejectedRow
from models import features

# Only between the two example generators: the second makes ITEM_AGE_DAYS of it.
ITEM_RELEASED = "item_released"  # int64, 0 or 1: seconds since 1970 UTC
_LARGEST_FLOAT32 = 3.4028234663852886e38


class CatalogueRow(NamedTuple):
    """An item: its id, where it came from, the row's text, and its Example."""

    item: str
    file: str
    line: int
    text: str
    example: bytes


@dataclass(frozen=True)
class CataloguePositions:
    """Where the mapped columns stand in a file's rows."""

    item: int
    title: int | None
    categories: int | None
    numeric: dict[str, int]
    flags: int | None = None
    released: int | None = None

    @classmethod
    def find(cls, header: Header, path: str, options: CatalogueOptions) -> "CataloguePositions":
        """Looks the columns up in a header.

        Raises:
            DataError: if one is missing.
        """
        columns, key = options.columns, "data.catalogue"

        def index(name: str | None, place: str) -> int | None:
            return header.index(name, path, f"{key}.{place}") if name else None

        return cls(
            item=header.index(columns.item, path, f"{key}.columns.item"),
            title=index(columns.title, "columns.title"),
            categories=index(columns.categories, "columns.categories"),
            numeric={
                name: header.index(numeric.column, path, f"{key}.numeric.{name}.column")
                for name, numeric in options.numeric.items()
            },
            flags=index(columns.flags, "columns.flags"),
            released=index(
                options.released.column if options.released else None, "released.column"
            ),
        )


def check_rows(
    records: Records, name: str, positions: CataloguePositions, options: CatalogueOptions
) -> tuple[list[CatalogueRow], list[RejectedRow]]:
    """Turns a chunk's records into items; those without a usable id are rejected."""
    accepted, rejected = [], list(records.malformed)
    for row, line, raw in zip(records.rows, records.lines, records.raw, strict=True):
        text, item = raw.decode(), row[positions.item]
        fault = rejects.fault_of_id(item, rejects.EMPTY_ITEM)
        if fault is None:
            example = encode_item(row, positions, options)
            accepted.append(CatalogueRow(item, name, line, text, example))
        else:
            rejected.append(RejectedRow(fault, name, line, text))
    return accepted, rejected


def encode_item(row: list[str], positions: CataloguePositions, options: CatalogueOptions) -> bytes:
    """Encodes a row as an Example; a numeric value that is no finite number is left out."""
    parts = [codec.bytes_feature(features.ITEM_ID, codec.bytes_entry(row[positions.item]))]
    if positions.title is not None:
        # A blank title would make every list of recommendations a riddle: the id stands in.
        title = row[positions.title].strip() or row[positions.item]
        parts.append(codec.bytes_feature(features.ITEM_TITLE, codec.bytes_entry(title)))
    if positions.categories is not None:
        names = split_categories(
            row[positions.categories], options.category_separator, options.no_category
        )
        entries = b"".join(codec.bytes_entry(name) for name in names)
        parts.append(codec.bytes_feature(features.ITEM_CATEGORY, entries))
    for name, position in positions.numeric.items():
        value = read_number(row[position], options.numeric[name].pattern)
        values = [] if value is None else [value]
        parts.append(codec.float_feature(features.item_numeric(name), values))
    if positions.flags is not None:
        flags = split_categories(row[positions.flags], options.category_separator)
        entries = b"".join(map(codec.bytes_entry, flags))
        parts.append(codec.bytes_feature(features.ITEM_FLAG, entries))
    if positions.released is not None and options.released is not None:
        released = read_time(row[positions.released], options.released)
        parts.append(codec.int64_feature(ITEM_RELEASED, [] if released is None else [released]))
    return codec.example(b"".join(parts))


def split_categories(text: str, separator: str, no_category: str | None = None) -> list[str]:
    """Returns the distinct names in the order of the row, without the text for no category."""
    names = (name.strip() for name in text.split(separator))
    return [n for n in dict.fromkeys(names) if n and n != no_category]


def read_number(text: str, pattern: str | None) -> float | None:
    """Reads a number from a cell, or from the first group of `pattern` in it; None if absent."""
    try:
        value = float(_found(text, pattern))
    except ValueError:
        return None
    # NaN compares as False.
    return value if abs(value) <= _LARGEST_FLOAT32 else None


def read_time(text: str, options: ReleasedColumn) -> int | None:
    """Reads a time from a cell in seconds since 1970 UTC; None if absent.

    A year begins on 1 January, and a time without a zone is UTC.
    """
    found = _found(text, options.pattern).strip()
    try:
        if options.format == "iso":
            # Python 3.10 does not read the Z of UTC.
            moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", found))
        elif options.format == "year":
            moment = datetime(int(found), 1, 1)
        else:
            seconds = int(found) // (1000 if options.format == "ms" else 1)
            moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def _found(text: str, pattern: str | None) -> str:
    if pattern is None:
        return text
    match = re.search(pattern, text)
    return (match.group(1) or "") if match else ""


def first_of_each(rows: Iterable[CatalogueRow]) -> tuple[list[CatalogueRow], list[RejectedRow]]:
    """Keeps the first row of each item, by file and line; the others are rejected."""
    kept: dict[str, CatalogueRow] = {}
    rejected = []
    for row in sorted(rows, key=lambda row: (row.file, row.line)):
        if row.item in kept:
            rejected.append(RejectedRow(rejects.DUPLICATE_ITEM, row.file, row.line, row.text))
        else:
            kept[row.item] = row
    return list(kept.values()), rejected
