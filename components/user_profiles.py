"""What is known of users beside their interactions: rows of the users file, checked and encoded."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from components import example_codec as codec
from components import rejects
from components.catalogue_rows import split_categories
from components.csv_reader import Header, Records
from components.options import UserOptions
from components.rejects import RejectedRow
from models import features


class Profile(NamedTuple):
    """A user's attributes as encoded features, and the categories they say to like, sorted."""

    attributes: bytes
    categories: tuple[str, ...]


NO_PROFILE = Profile(b"", ())


class ProfileRow(NamedTuple):
    """A user: id, where the row came from, its text, and what it says."""

    user: str
    file: str
    line: int
    text: str
    profile: Profile


@dataclass(frozen=True)
class ProfilePositions:
    """Where the mapped columns stand in a file's rows; `attributes` by name, in their order."""

    user: int
    categories: int | None
    attributes: dict[str, int]

    @classmethod
    def find(cls, header: Header, path: str, options: UserOptions) -> "ProfilePositions":
        """Looks the columns up in a header.

        Raises:
            DataError: if one is missing.
        """
        columns, key = options.columns, "data.users"
        stated = columns.categories
        return cls(
            header.index(columns.user, path, f"{key}.columns.user"),
            header.index(stated, path, f"{key}.columns.categories") if stated else None,
            {
                name: header.index(column, path, f"{key}.attributes.{name}")
                for name, column in sorted(options.attributes.items())
            },
        )


def check_rows(
    records: Records, name: str, positions: ProfilePositions, separator: str
) -> tuple[list[ProfileRow], list[RejectedRow]]:
    """Turns a chunk's records into users; those without a usable id are rejected.

    Args:
        records: of the chunk.
        name: of the file.
        positions: where the columns stand.
        separator: between stated categories.
    """
    accepted, rejected = [], list(records.malformed)
    for row, line, raw in zip(records.rows, records.lines, records.raw, strict=True):
        text, user = raw.decode(), row[positions.user]
        fault = rejects.fault_of_id(user, rejects.EMPTY_USER)
        if fault is None:
            profile = read_profile(row, positions, separator)
            accepted.append(ProfileRow(user, name, line, text, profile))
        else:
            rejected.append(RejectedRow(fault, name, line, text))
    return accepted, rejected


def read_profile(row: list[str], positions: ProfilePositions, separator: str) -> Profile:
    """Reads a row; an attribute without visible characters is left out."""
    encoded = b""
    for name, position in positions.attributes.items():
        # Vocabularies are files with one value a line.
        value = " ".join(row[position].split())
        entry = codec.bytes_entry(value) if value else b""
        encoded += codec.bytes_feature(features.user_attribute(name), entry)
    stated = (
        []
        if positions.categories is None
        else split_categories(row[positions.categories], separator)
    )
    return Profile(encoded, tuple(sorted(stated)))


def first_of_each(rows: Iterable[ProfileRow]) -> tuple[dict[str, Profile], list[RejectedRow]]:
    """Keeps the first row of each user, by file and line; the others are rejected."""
    kept: dict[str, Profile] = {}
    rejected = []
    for row in sorted(rows, key=lambda row: (row.file, row.line)):
        if row.user in kept:
            rejected.append(RejectedRow(rejects.DUPLICATE_USER, row.file, row.line, row.text))
        else:
            kept[row.user] = row.profile
    return kept, rejected
