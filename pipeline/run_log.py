"""Keeps the noise of a run in a file, so that the terminal shows the run alone."""

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


@contextmanager
def noise_to(file: Path) -> Iterator[Console]:
    """Sends standard output and error, C++ libraries' too, and all logging to `file`.

    Args:
        file: is created, with its folder.

    Yields:
        A console on the terminal that standard output was.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(number) for number in (1, 2)]
    root = logging.getLogger()
    level = root.level
    with file.open("a", encoding="utf-8") as log, os.fdopen(os.dup(1), "w") as terminal:
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        try:
            yield Console(file=terminal, force_terminal=terminal.isatty() or None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            root.removeHandler(handler)
            root.setLevel(level)


def end_quietly(file: Path) -> None:
    """Sends to `file` what libraries write to standard error while this process ends.

    TensorFlow's objects complain when the interpreter takes its modules apart under them. Standard
    error has had all that is meant for the reader by then.
    """

    def redirect() -> None:
        with file.open("a") as log:
            os.dup2(log.fileno(), 2)

    atexit.register(redirect)
