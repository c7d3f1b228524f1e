"""Finds the versions of a model under a TensorFlow Serving base path."""

import os
from dataclasses import dataclass
from pathlib import Path

_LARGEST_VERSION = 2**63 - 1  # versions are int64 in TensorFlow Serving's messages
_SAVED_MODEL_FILE = "saved_model.pb"


@dataclass(frozen=True)
class Version:
    """A version on disk: its number and its SavedModel folder."""

    number: int
    path: Path


@dataclass(frozen=True)
class Content:
    """What a version's folder holds, to tell whether it changed.

    Attributes:
        files: (relative path, size in bytes, mtime in ns) of each file, sorted.
        changed_s: when a file was last written, renamed or linked, in seconds since 1970.
    """

    files: tuple[tuple[str, int, int], ...]
    changed_s: float


def scan_versions(base_path: Path) -> list[Version]:
    """Returns the versions under `base_path`, newest first; empty where there is no such folder.

    A version is a folder whose name is a whole number and that holds a `saved_model.pb`. Anything
    else is ignored, as TensorFlow Serving does: a copy in progress, a temporary folder.
    """
    try:
        entries = list(os.scandir(base_path))
    except FileNotFoundError:
        return []
    versions = {}
    for entry in entries:
        if not (entry.name.isascii() and entry.name.isdecimal()):
            continue
        number = int(entry.name)
        path = Path(entry.path)
        if number <= _LARGEST_VERSION and (path / _SAVED_MODEL_FILE).is_file():
            versions[number] = Version(number, path)
    return sorted(versions.values(), key=lambda version: version.number, reverse=True)


def read_content(version: Version) -> Content:
    """Returns what the folder of `version` holds now; empty where it has been removed.

    The time of change is the inode's, not the modification time, because a copy may preserve the
    latter.
    """
    files = []
    changed_s = 0.0
    for folder, _, names in os.walk(version.path):
        for name in names:
            path = os.path.join(folder, name)
            try:
                stat = os.stat(path)
            except FileNotFoundError:
                continue
            files.append((os.path.relpath(path, version.path), stat.st_size, stat.st_mtime_ns))
            changed_s = max(changed_s, stat.st_ctime)
    return Content(tuple(sorted(files)), changed_s)
