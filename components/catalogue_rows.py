"""Catalogue rows: checked, freed of duplicates and encoded as Examples."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from components import example_codec as codec
from components import rejects
from components.csv_reader import Header, Records
from components.options import CatalogueOptions
from components.rejects import RejectedRow
from models import features

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

    @classmethod
    def find(cls, header: Header, path: str, options: CatalogueOptions) -> "CataloguePositions":
        """Looks the columns up in a header.

        Raises:
            DataError: if one is missing.
        """
        columns, key = options.columns, "data.catalogue"
        return cls(
            header.index(columns.item, path, f"{key}.columns.item"),
            header.index(columns.title, path, f"{key}.columns.title") if columns.title else None,
            header.index(columns.categories, path, f"{key}.columns.categories")
            if columns.categories
            else None,
            {
                name: header.index(numeric.column, path, f"{key}.numeric.{name}.column")
                for name, numeric in options.numeric.items()
            },
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
        names = split_categories(row[positions.categories], options)
        entries = b"".join(codec.bytes_entry(name) for name in names)
        parts.append(codec.bytes_feature(features.ITEM_CATEGORY, entries))
    for name, position in positions.numeric.items():
        value = read_number(row[position], options.numeric[name].pattern)
        values = [] if value is None else [value]
        parts.append(codec.float_feature(features.item_numeric(name), values))
    return codec.example(b"".join(parts))


def split_categories(text: str, options: CatalogueOptions) -> list[str]:
    """Returns the distinct categories in the order of the row."""
    names = (name.strip() for name in text.split(options.category_separator))
    return [n for n in dict.fromkeys(names) if n and n != options.no_category]


def read_number(text: str, pattern: str | None) -> float | None:
    """Reads a number from a cell, or from the first group of `pattern` in it; None if absent."""
    if pattern is not None:
        match = re.search(pattern, text)
        text = (match.group(1) or "") if match else ""
    try:
        value = float(text)
    except ValueError:
        return None
    # NaN compares as False.
    return value if abs(value) <= _LARGEST_FLOAT32 else None


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
