"""Measures time and memory of a whole run: `python -m benchmarks.pipeline --data DIR`."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.options import Overrides
from benchmarks.processes import (
    BenchmarkError,
    Usage,
    check_run,
    run_command,
    run_watched,
)


@dataclass(frozen=True)
class Timing:
    """What one component took."""

    component: str
    seconds: float
    cached: bool


def read_timings(output: Path) -> list[Timing]:
    """Returns the timings of the newest run in the output folder, in order of execution.

    Raises:
        BenchmarkError: if there is no such file, or it is not what a run writes.
    """
    files = sorted(
        output.glob("reports/*/timings.json"), key=lambda file: (file.stat().st_mtime, file)
    )
    if not files:
        raise BenchmarkError(f"{output} must hold reports/<run>/timings.json. Received: no file.")
    try:
        components = json.loads(files[-1].read_text(encoding="utf-8"))["components"]
        return [Timing(str(c["id"]), float(c["seconds"]), bool(c["cached"])) for c in components]
    except (ValueError, KeyError, TypeError) as err:
        raise BenchmarkError(
            f"{files[-1]} must list components with id, seconds and cached. Received: {err!r}."
        ) from err


def print_usage(console: Console, timings: list[Timing], usage: Usage) -> None:
    """Prints one row a component, then the whole."""
    table = Table("component", "seconds")
    table.columns[1].justify = "right"
    for timing in timings:
        name = f"{timing.component} (reused)" if timing.cached else timing.component
        table.add_row(name, f"{timing.seconds:.1f}")
    table.add_section()
    inside = sum(timing.seconds for timing in timings)
    table.add_row("start, end and between", f"{usage.seconds - inside:.1f}")
    table.add_row("whole run", f"{usage.seconds:.1f}")
    console.print(table)
    console.print(f"Peak memory: {usage.peak_bytes / 2**30:.2f} GiB (all processes, resident)")


def main(
    data: Annotated[Path, typer.Option(help="A data folder.")],
    output: Annotated[Path | None, typer.Option(help="Default: a new folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="Laid over the default one.")] = None,
    overrides: Overrides = None,
) -> None:
    """Prints seconds per component and peak memory of `marquee run`."""
    console = Console()
    folder = output or Path(tempfile.mkdtemp(prefix="marquee-pipeline-"))
    log = folder / "run.log"
    console.print(f"Running; the log is {log}")
    usage = run_watched(run_command(data, folder / "run", overrides or (), config), log)
    try:
        check_run(usage, log)
        timings = read_timings(folder / "run")
    except BenchmarkError as err:
        console.print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    print_usage(console, timings, usage)


if __name__ == "__main__":
    typer.run(main)
