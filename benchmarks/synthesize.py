"""Measures how fast data sets are made: `python -m benchmarks.synthesize`."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.processes import BenchmarkError, Usage, run_watched, tail


@dataclass(frozen=True)
class Size:
    """How large a data set to make."""

    users: int
    items: int
    interactions: int


# About the proportions of MovieLens 1M and 10M.
SIZES = (Size(6_000, 4_000, 1_000_000), Size(70_000, 10_000, 10_000_000))
_CODE = """
import sys
from pathlib import Path
from pipeline.datasets.synthesize import synthesize
synthesize(Path(sys.argv[1]), *map(int, sys.argv[2:]))
"""


def measure(size: Size) -> Usage:
    """Makes a data set of this size in a process of its own, and throws it away.

    Raises:
        BenchmarkError: if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="marquee-synthesize-") as temporary:
        log = Path(temporary) / "log"
        numbers = [str(n) for n in (size.users, size.items, size.interactions)]
        usage = run_watched([sys.executable, "-c", _CODE, temporary, *numbers], log)
        if usage.exit_code:
            raise BenchmarkError(f"synthesize failed:\n{tail(log)}")
    return usage


def main() -> None:
    """Prints seconds and peak memory for 1 and 10 million interactions."""
    console = Console()
    table = Table("interactions", "users", "items", "seconds", "peak memory")
    for column in table.columns:
        column.justify = "right"
    for size in SIZES:
        usage = measure(size)
        counts = (f"{n:,}" for n in (size.interactions, size.users, size.items))
        table.add_row(*counts, f"{usage.seconds:.1f}", f"{usage.peak_bytes / 2**30:.2f} GiB")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
