"""Shows which component is running, how far it is and how long each took."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from models.progress import PROGRESS_LOGGER


@dataclass
class Timing:
    """How long a component took."""

    id: str
    seconds: float = 0.0
    cached: bool = False


class ProgressDisplay(logging.Handler):
    """One line a component; a moving one for the running component on a terminal."""

    def __init__(self, console: Console, total: int):
        """Makes the display.

        Args:
            console: to print to.
            total: number of components.
        """
        super().__init__()
        self._console = console
        self._total = total
        self._status = console.status("")
        self._running = ""
        self.timings: list[Timing] = []

    @contextmanager
    def component(self, name: str) -> Iterator[Timing]:
        """Shows a component while it runs; the caller marks the timing when it was cached."""
        timing = Timing(name)
        self._running = f"{len(self.timings) + 1:>2}/{self._total} {name}"
        logger = logging.getLogger(PROGRESS_LOGGER)
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        started = time.monotonic()
        self._status.update(self._running)
        self._status.start()
        try:
            yield timing
        except BaseException as err:
            how = "stopped" if isinstance(err, KeyboardInterrupt) else "failed"
            self._console.print(f"[red]{self._running:<28} {how}[/red]")
            raise
        finally:
            timing.seconds = time.monotonic() - started
            self._status.stop()
            logger.removeHandler(self)
        self.timings.append(timing)
        took = "reused" if timing.cached else f"{timing.seconds:6.1f} s"
        self._console.print(f"{self._running:<28} {took}", highlight=False)

    def emit(self, record: logging.LogRecord) -> None:
        """Shows how far the running component is."""
        message = escape(record.getMessage())
        self._status.update(f"{self._running}  [dim]{message}[/dim]")
        if not self._console.is_terminal:
            self._console.print(f"      {message}", highlight=False)
