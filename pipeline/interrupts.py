"""Stops a run when a person asks, even where a library swallows the interrupt."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT


class Interrupts:
    """Remembers that an interrupt came: TensorFlow's tracing may swallow the exception."""

    def __init__(self) -> None:
        self._asked = False

    def raise_if_asked(self) -> None:
        """Raises KeyboardInterrupt if an interrupt has come before."""
        if self._asked:
            raise KeyboardInterrupt

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Interrupts what runs; a second time ends the process at once."""
        if self._asked:
            os._exit(EXIT_INTERRUPTED)
        self._asked = True
        raise KeyboardInterrupt


def leave() -> NoReturn:
    """Ends the process as interrupted, at once.

    The interpreter would first wait for threads of Beam and TensorFlow that the interrupt has left
    in the middle of something, some of them for good.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def watch_interrupts() -> Iterator[Interrupts]:
    """Handles SIGINT and SIGTERM while the block runs; call it from the main thread."""
    interrupts = Interrupts()
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, interrupts.on_signal) for number in signals}
    try:
        yield interrupts
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
