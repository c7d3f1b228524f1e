"""Converts the formats that MovieLens had over the years to its current CSV format."""

import csv
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import DataError

RATINGS_HEADER = ("userId", "movieId", "rating", "timestamp")
MOVIES_HEADER = ("movieId", "title", "genres")
USERS_HEADER = ("userId", "gender", "age", "occupation", "zipCode")
USERS_FILE = "users.csv"  # not every set has one
NO_GENRE = "(no genres listed)"
UNKNOWN_GENRE = "unknown"  # how ml-100k says it


@dataclass(frozen=True)
class Archive:
    """An opened zip file whose members lie in the folder `root`."""

    path: Path
    opened: zipfile.ZipFile
    root: str

    def rows(self, member: str, separator: str, columns: int) -> Iterator[list[str]]:
        """Yields the fields of each line of a Latin-1 member, blank lines left out.

        Raises:
            DataError: if a line has another number of fields than `columns`.
        """
        with self.opened.open(f"{self.root}/{member}") as source:
            for number, line in enumerate(source, start=1):
                text = line.decode("latin-1").rstrip("\r\n")
                if not text:
                    continue
                fields = text.split(separator)
                if len(fields) != columns:
                    raise DataError(
                        f"{self.path}: {self.root}/{member}, line {number} must have {columns} "
                        f"fields separated by {separator!r}. Received: {len(fields)}. "
                        "Fetch the archive again."
                    )
                yield fields


# Reads an archive and writes ratings.csv, movies.csv and perhaps users.csv to a folder.
Converter = Callable[[Archive, Path], None]


def convert_csv(archive: Archive, folder: Path) -> None:
    """Copies the members of ml-latest-small and ml-25m, which have the format already.

    Raises:
        DataError: if a header is another one.
    """
    for name, header in (("ratings.csv", RATINGS_HEADER), ("movies.csv", MOVIES_HEADER)):
        member = f"{archive.root}/{name}"
        with archive.opened.open(member) as source:
            line = source.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n")
            if line != ",".join(header):
                raise DataError(
                    f"{archive.path}: {member} must start with {','.join(header)}. "
                    f"Received: {line[:80]}. Fetch the archive again."
                )
            with (folder / name).open("wb") as sink:
                sink.write((line + "\n").encode())
                shutil.copyfileobj(source, sink)


def convert_100k(archive: Archive, folder: Path) -> None:
    """Converts ml-100k: ratings by tabs, the catalogue with one flag a genre, and users.

    Raises:
        DataError: if a line is malformed.
    """
    _write(folder / "ratings.csv", RATINGS_HEADER, archive.rows("u.data", "\t", 4))
    genres = [name for name, _ in archive.rows("u.genre", "|", 2)]
    # Id, title, release date, video release date, address, flags.
    items = archive.rows("u.item", "|", 5 + len(genres))
    _write(
        folder / "movies.csv",
        MOVIES_HEADER,
        ((item[0], item[1], _carried(genres, item[5:])) for item in items),
    )
    users = archive.rows("u.user", "|", 5)
    _write(
        folder / USERS_FILE,
        USERS_HEADER,
        ((user, gender, age, job, code) for user, age, gender, job, code in users),
    )


def convert_1m(archive: Archive, folder: Path) -> None:
    """Converts ml-1m: fields by double colons, and users.

    Raises:
        DataError: if a line is malformed.
    """
    _write(folder / "ratings.csv", RATINGS_HEADER, archive.rows("ratings.dat", "::", 4))
    _write(folder / "movies.csv", MOVIES_HEADER, archive.rows("movies.dat", "::", 3))
    _write(folder / USERS_FILE, USERS_HEADER, archive.rows("users.dat", "::", 5))


def _carried(genres: Sequence[str], flags: Sequence[str]) -> str:
    carried = [
        genre
        for genre, flag in zip(genres, flags, strict=True)
        if flag == "1" and genre != UNKNOWN_GENRE
    ]
    return "|".join(carried) or NO_GENRE


def _write(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
