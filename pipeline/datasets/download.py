"""Fetches MovieLens data sets, checks them and converts them to one CSV format."""

import hashlib
import http.client
import os
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from components.errors import DataError
from pipeline.datasets import movielens

BASE_URL = "https://files.grouplens.org/datasets/movielens"
TIMEOUT_S = 30.0  # without any byte
CHUNK = 1 << 20  # bytes
MAX_MEMBER = 2 << 30  # bytes unpacked; the largest of these sets has 0.7 GB


@dataclass(frozen=True)
class _Source:
    """One public data set."""

    convert: movielens.Converter
    members: tuple[str, ...]  # files that must be in the archive's folder
    md5: str | None  # as GroupLens published it; None: the set changes over time


_CSV = ("ratings.csv", "movies.csv")
_SOURCES = {
    "ml-latest-small": _Source(movielens.convert_csv, _CSV, None),
    "ml-100k": _Source(
        movielens.convert_100k,
        ("u.data", "u.item", "u.genre", "u.user"),
        "0e33842e24a9c977be4e0107933c0723",
    ),
    "ml-1m": _Source(
        movielens.convert_1m,
        ("ratings.dat", "movies.dat", "users.dat"),
        "c4d9eecfca2ab87c1945afe126590906",
    ),
    "ml-25m": _Source(movielens.convert_csv, _CSV, "6b51fb2759a8657d3bfcbfc42b592ada"),
}
NAMES = tuple(_SOURCES)

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


def download(
    name: str,
    out: Path,
    archive: Path | None = None,
    progress: Progress | None = None,
    base_url: str = BASE_URL,
) -> list[Path]:
    """Writes a public data set as `ratings.csv`, `movies.csv` and, where there is one, `users.csv`.

    The files are UTF-8 with MovieLens' current headers. They appear in `out` once all of them are
    complete; a `users.csv` that this set does not have is removed then, since it is of another one.

    Args:
        name: one of NAMES.
        out: the folder to write, created if missing; files of these names are replaced.
        archive: a zip file at hand, to be used instead of fetching one.
        progress: called while bytes arrive.
        base_url: where `<name>.zip` is.

    Returns:
        The files written.

    Raises:
        DataError: if the name is unknown, the archive cannot be fetched or is not what it should
            be, or nothing can be written to `out`.
    """
    source = _SOURCES.get(name)
    if source is None:
        raise DataError(f"name must be one of {', '.join(NAMES)}. Received: {name}.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".download-") as temporary:
            folder = Path(temporary)
            if archive is None:
                archive = folder / "archive.zip"
                _fetch(f"{base_url}/{name}.zip", archive, source.md5, progress)
            converted = folder / "converted"
            converted.mkdir()
            _convert(archive, name, source, converted)
            files = sorted(converted.iterdir())
            for file in files:
                os.replace(file, out / file.name)
            written = [out / file.name for file in files]
            leftover = out / movielens.USERS_FILE
            if leftover not in written:
                leftover.unlink(missing_ok=True)
            return written
    except OSError as err:
        raise DataError(f"{out} must be a folder to write to. Received: {err}.") from err


def _fetch(url: str, target: Path, md5: str | None, progress: Progress | None) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, target.open("wb") as sink:
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            while chunk := response.read(CHUNK):
                sink.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    except (OSError, http.client.HTTPException, ValueError) as err:
        raise DataError(
            f"{url} could not be fetched ({err}). Check the network, or fetch it elsewhere and "
            "hand it over with --archive FILE."
        ) from err
    if total is not None and done != total:
        raise DataError(
            f"{url} must have {total} bytes. Received: {done}. Try again, or hand the file over "
            "with --archive FILE."
        )
    if md5 and digest.hexdigest() != md5:
        raise DataError(
            f"{url} must have the MD5 {md5}. Received: {digest.hexdigest()}. Try again; if it "
            "stays so, the file was changed: hand one that you trust over with --archive FILE."
        )


def _convert(archive: Path, name: str, source: _Source, folder: Path) -> None:
    try:
        stream = archive.open("rb")
    except OSError as err:
        raise DataError(
            f"{archive} must be the zip file of {name}, and readable. Received: {err.strerror}. "
            "Name another file with --archive FILE, or leave it out to fetch one."
        ) from err
    try:
        with stream, zipfile.ZipFile(stream) as opened:
            _check_members(archive, opened, name, source.members)
            source.convert(movielens.Archive(archive, opened, name), folder)
    # RuntimeError: encrypted. NotImplementedError: a compression that Python does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as err:
        raise DataError(
            f"{archive} must be an intact zip file of {name}. Received: {err}. Fetch it again."
        ) from err


def _check_members(
    archive: Path, opened: zipfile.ZipFile, name: str, members: tuple[str, ...]
) -> None:
    for info in opened.infolist():
        path = PurePosixPath(info.filename.replace("\\", "/"))
        # Nothing is unpacked to a path of the archive's choice; such a name still means tampering.
        if path.is_absolute() or ".." in path.parts or info.filename[1:2] == ":":
            raise DataError(
                f"{archive} must hold plain relative paths. Received: {info.filename}. "
                "Fetch it from a source that you trust."
            )
    for member in members:
        try:
            size = opened.getinfo(f"{name}/{member}").file_size
        except KeyError as err:
            held = ", ".join(opened.namelist()[:5]) or "nothing"
            raise DataError(
                f"{archive} must hold {name}/{member}. Received: {held}. "
                f"Hand over the zip file of {name}."
            ) from err
        if size > MAX_MEMBER:
            raise DataError(
                f"{archive}: {name}/{member} must have at most {MAX_MEMBER} bytes. "
                f"Received: {size}. Fetch it from a source that you trust."
            )
        # Read once to the end, which checks the CRC: or damage would show as a malformed line.
        with opened.open(f"{name}/{member}") as source:
            while source.read(CHUNK):
                pass
