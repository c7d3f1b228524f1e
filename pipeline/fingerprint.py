"""Fingerprints of code and data: what the cache must see change, but cannot by itself."""

import hashlib
import os
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import components
import models
import serving

FINGERPRINT_LENGTH = 16  # hexadecimal digits
BLOCK_BYTES = 1 << 20
# What decides results beside our own code.
LIBRARIES = (
    "apache-beam",
    "numpy",
    "scann",
    "scipy",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tf-keras",
    "tfx",
    "tfx-bsl",
)


def code_fingerprint() -> str:
    """Returns a digest of our packages and of the libraries' versions."""
    digest = hashlib.sha256()
    for package in (components, models, serving):
        root = Path(str(package.__file__)).parent
        files = [p for p in root.rglob("*") if p.is_file() and p.suffix in {".py", ".html"}]
        _add_files(digest, root, files)
    for library in LIBRARIES:
        digest.update(f"{library}={metadata.version(library)}".encode())
    return digest.hexdigest()[:FINGERPRINT_LENGTH]


def data_fingerprint(folder: Path, files: Iterable[Path]) -> str:
    """Returns a digest of the content of the files, and of their names below the folder."""
    digest = hashlib.sha256()
    _add_files(digest, folder, files)
    return digest.hexdigest()[:FINGERPRINT_LENGTH]


def _add_files(digest: "hashlib._Hash", root: Path, files: Iterable[Path]) -> None:
    for file in sorted(files):
        # Name and size are set apart, or a name could pass for the end of the file before it.
        digest.update(f"{os.path.relpath(file, root)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
