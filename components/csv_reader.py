"""Reads comma-separated files in chunks that begin and end at line ends.

A record is usually one line. Where quotes are left open at a line's end, up to
`MAX_RECORD_LINES` lines are joined until they parse as one record, so that RFC 4180 line breaks in
a title work and a stray quote costs one row instead of the rest of the file.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apache_beam.io.filesystem import CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems
from tfx.dsl.io import fileio

from components.errors import DataError
from components.rejects import MALFORMED, RejectedRow

CHUNK_BYTES = 4 << 20  # about 160,000 interactions: small beside a worker's memory
MAX_RECORD_LINES = 20
_MEGABYTE = 1e6  # bytes
_BOM = b"\xef\xbb\xbf"
_WILDCARD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Header:
    """The first line of a file: its column names and where the rows begin, in bytes."""

    columns: tuple[str, ...]
    length: int

    def index(self, name: str, path: str, key: str) -> int:
        """Returns the position of column `name`, which the configuration has under `key`.

        Raises:
            DataError: if the file has no such column.
        """
        if name not in self.columns:
            raise DataError(
                f"{path}: expected a column {name!r}. Found: {', '.join(self.columns)}. "
                f"Mend the header line, or name the right column in {key}."
            )
        return self.columns.index(name)


@dataclass(frozen=True)
class FileChunk:
    """A part of a file that holds whole lines.

    `file` is the file's number in the run, `name` its path inside the data folder, `start` and
    `length` are in bytes, `first_line` counts from 1 with the header line as 1.
    """

    path: str
    name: str
    file: int
    start: int
    length: int
    first_line: int


@dataclass
class Records:
    """The well-formed records of a chunk, one entry a record in each list, and the others."""

    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)  # bytes from the start of the file
    raw: list[bytes] = field(default_factory=list)  # as they stand in the file, without line end
    malformed: list[RejectedRow] = field(default_factory=list)


def find_files(
    data_dir: str, pattern: str, key: str, required: bool = True
) -> list[tuple[str, str]]:
    """Returns (path, path inside `data_dir`) of the files that match `pattern`, sorted.

    Only the pattern may have wildcards: the folder's name means itself.

    Raises:
        DataError: if none matches though it is required, or one is empty.
    """
    found = sorted(_match(data_dir, pattern), key=lambda m: m.path)
    if not found and required:
        raise DataError(
            f"{os.path.join(data_dir, pattern)}: no such file. "
            f"Expected it under the data folder {data_dir}. "
            f"Put it there, or name the right file in {key}."
        )
    for metadata in found:
        if metadata.size_in_bytes == 0:
            raise DataError(
                f"{metadata.path}: the file is empty. Expected a header line and rows. "
                "Deliver the file again."
            )
    return [(m.path, os.path.relpath(m.path, data_dir)) for m in found]


def read_header(path: str) -> Header:
    """Reads the column names of a file.

    Raises:
        DataError: if the first line is no UTF-8 text or holds no name.
    """
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        line = file.readline()
    text = line[len(_BOM) :] if line.startswith(_BOM) else line
    columns = parse_record(text.rstrip(b"\r\n"), width=None)
    if columns is None or not any(name.strip() for name in columns):
        raise DataError(
            f"{path}:1: expected a header line of column names in UTF-8. "
            f"Received: {text[:80].decode('utf-8', 'replace').strip()!r}. Mend the first line."
        )
    return Header(tuple(name.strip() for name in columns), len(line))


def plan_chunks(
    path: str, name: str, file: int, header: Header, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[FileChunk]:
    """Divides the rows of a file into chunks of about `chunk_bytes`, cut at line ends.

    It cuts where the chunk's quotes are balanced, so that a line break inside a title stays whole;
    after twice the size it gives up, so that a stray quote cannot make one chunk of a file.
    """
    start, first_line = header.length, 2
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        stream.seek(header.length)
        while block := stream.read(chunk_bytes):
            parts = [block, stream.readline()]
            quotes = sum(part.count(b'"') for part in parts)
            length = sum(map(len, parts))
            while quotes % 2 and parts[-1] and length < 2 * chunk_bytes:
                parts.append(stream.readline())
                quotes += parts[-1].count(b'"')
                length += len(parts[-1])
            yield FileChunk(path, name, file, start, length, first_line)
            start += length
            first_line += sum(part.count(b"\n") for part in parts)


def describe(chunks: list[FileChunk]) -> str:
    """Says how much there is to read."""
    files = len({chunk.file for chunk in chunks})
    megabytes = sum(chunk.length for chunk in chunks) / _MEGABYTE
    return (
        f"{files} {'file' if files == 1 else 'files'}, {megabytes:.1f} MB in "
        f"{len(chunks)} {'chunk' if len(chunks) == 1 else 'chunks'}"
    )


def read_chunk(chunk: FileChunk, width: int) -> Records:
    """Reads a chunk and parses its records, each of which must have `width` fields."""
    data = read_bytes(chunk.path, [(chunk.start, chunk.length)])[0]
    return parse_chunk(data, chunk, width)


def read_bytes(path: str, spans: list[tuple[int, int]]) -> list[bytes]:
    """Reads (offset, length) spans of a file, in bytes."""
    parts = []
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        for offset, length in spans:
            stream.seek(offset)
            parts.append(stream.read(length))
    return parts


def parse_chunk(data: bytes, chunk: FileChunk, width: int) -> Records:
    """Parses the bytes of a chunk; blank lines are no records."""
    records = Records()
    lines = data.split(b"\n")
    offset, position = chunk.start, 0
    while position < len(lines):
        line = lines[position].removesuffix(b"\r")
        taken = 1
        if line:
            row = parse_record(line, width)
            if row is None and line.count(b'"') % 2:
                row, taken = _parse_joined(lines, position, width)
                if row is not None:
                    line = b"\n".join(lines[position : position + taken]).removesuffix(b"\r")
            if row is None:
                text = line.decode("utf-8", "replace")
                records.malformed.append(
                    RejectedRow(MALFORMED, chunk.name, chunk.first_line + position, text)
                )
            else:
                records.rows.append(row)
                records.lines.append(chunk.first_line + position)
                records.offsets.append(offset)
                records.raw.append(line)
        for _ in range(taken):
            offset += len(lines[position]) + 1
            position += 1
    return records


def parse_record(record: bytes, width: int | None) -> list[str] | None:
    """Returns the fields of a record, or None if it is malformed.

    Args:
        record: the bytes of one record, without its line end.
        width: how many fields it must have; None for any number.
    """
    try:
        text = record.decode("utf-8")
        fields = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return None
    return fields if width is None or len(fields) == width else None


def _match(data_dir: str, pattern: str) -> list[FileMetadata]:
    # Not FileSystems.match: it would look for wildcards in the folder's name too.
    filesystem: Any = FileSystems.get_filesystem(data_dir)
    path = os.path.join(data_dir, pattern)
    wildcard = _WILDCARD.search(pattern)
    if wildcard is None:
        return [filesystem.metadata(path)] if filesystem.exists(path) else []
    plain = os.path.dirname(pattern[: wildcard.start()])
    folder = os.path.join(data_dir, plain)
    wanted = re.compile(FileSystem.translate_pattern(os.path.relpath(pattern, plain or ".")))
    found = (
        os.path.join(parent, name) for parent, _, names in fileio.walk(folder) for name in names
    )
    return [filesystem.metadata(p) for p in found if wanted.match(os.path.relpath(p, folder))]


def _parse_joined(lines: list[bytes], position: int, width: int) -> tuple[list[str] | None, int]:
    """Tries to read a record that goes on over following lines; says how many it took."""
    record = lines[position]
    for taken in range(2, MAX_RECORD_LINES + 1):
        if position + taken > len(lines):
            break
        line = lines[position + taken - 1]
        record += b"\n" + line
        if line.count(b'"') % 2:
            row = parse_record(record.removesuffix(b"\r"), width)
            return (row, taken) if row is not None else (None, 1)
    return None, 1
