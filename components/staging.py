"""Intermediate results between two passes over the data, kept as files beside the output.

Beam's local runner holds in memory what it passes between stages; packed columns in files keep ten
million interactions small.
"""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfx.dsl.io import fileio

_FOLDER = "staging"


@contextmanager
def folder_in(uri: str) -> Iterator[str]:
    """Makes a folder in an artifact for as long as the context lasts."""
    folder = os.path.join(uri, _FOLDER)
    fileio.makedirs(folder)
    try:
        yield folder
    finally:
        fileio.rmtree(folder)


def save(folder: str, name: str, value: Any) -> str:
    """Writes a value; a worker that repeats its work replaces the file as a whole."""
    path = os.path.join(folder, name)
    # A name of its own for each attempt: Beam may run the same work twice at a time.
    attempt = f"{path}.attempt-{os.getpid()}-{id(value)}"
    with fileio.open(attempt, "wb") as file:
        file.write(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    fileio.rename(attempt, path, overwrite=True)
    return path


def load(path: str) -> Any:
    """Reads a value that `save` wrote."""
    with fileio.open(path, "rb") as file:
        return pickle.load(file)


def load_if_there(folder: str, name: str) -> Any | None:
    """Reads the value that `save` wrote under a name, None where there is none."""
    path = os.path.join(folder, name)
    return load(path) if fileio.exists(path) else None


def paths(folder: str, prefix: str) -> list[str]:
    """Returns the files whose names start with `prefix`, sorted."""
    names = sorted(str(name) for name in fileio.listdir(folder))
    return [
        os.path.join(folder, name)
        for name in names
        if name.startswith(prefix) and ".attempt-" not in name
    ]


def load_all(folder: str, prefix: str) -> Iterator[Any]:
    """Reads the values whose names start with `prefix`."""
    for path in paths(folder, prefix):
        yield load(path)
