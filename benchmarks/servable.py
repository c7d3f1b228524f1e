"""Measures the servable: `python -m benchmarks.servable [--data DIR] [--servable DIR]`.

In process on one core: `recommend`, with ranking and re-ranking, beside the bare `retrieve`. Then
the build of a servable of a million items: its time, its memory, and its index against exact
search. Each part runs in processes of its own.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.large_build import RESULT_FILE, BuildResult, read_result
from benchmarks.one_core import SearchResult, Times
from benchmarks.options import JsonFile, Overrides
from benchmarks.processes import BenchmarkError, check_run, run_command, run_watched, tail
from benchmarks.servable_results import (
    Limit,
    build_limits,
    call_limits,
    calls_table,
    limits_table,
    phases_table,
    search_limits,
    search_table,
)
from components.errors import MarqueeError
from pipeline.layout import OutputLayout

ITEMS = 1_000_000
DIMENSION = 64
USERS = 2_000
SEED = 0
FILE_WIDTH = 120  # characters, where there is no terminal to fit into


def pushed_servable(data: Path, folder: Path, overrides: Sequence[str]) -> Path:
    """Runs the pipeline once and returns the servable that it pushed.

    Raises:
        BenchmarkError: if it pushes none.
    """
    log = folder / "run.log"
    check_run(run_watched(run_command(data, folder / "run", overrides), log), log)
    layout = OutputLayout(folder / "run")
    return layout.serving / str(layout.versions()[-1])


def measure_calls(servable: Path, folder: Path) -> list[Times]:
    """Times the calls of a servable on one core.

    Raises:
        BenchmarkError: if it is none, or does not answer.
    """
    if not (servable / "saved_model.pb").is_file():
        raise BenchmarkError(
            f"--servable {servable} must be a folder with saved_model.pb. Received: none in it. "
            "Give OUT/serving/recommender/<version>, or --data to run the pipeline."
        )
    measured = _on_one_core("calls", servable, folder)
    return [Times(**times) for times in measured]


def measure_search(folder: Path) -> SearchResult:
    """Measures the index of the large servable on one core.

    Raises:
        BenchmarkError: if that fails.
    """
    measured = _on_one_core("search", folder, folder)
    return SearchResult(measured["recall"], [Times(**times) for times in measured["times"]])


def _on_one_core(what: str, path: Path, folder: Path) -> Any:
    result = folder / f"{what}.json"
    _run(["benchmarks.one_core", what, str(path), str(result)], folder / f"{what}.log")
    return json.loads(result.read_text(encoding="utf-8"))


def prepare_large(folder: Path, items: int, dimension: int) -> None:
    """Writes what the large servable is built from.

    Raises:
        BenchmarkError: if that fails.
    """
    sizes = [str(number) for number in (items, dimension, USERS, SEED)]
    _run(["benchmarks.large_models", str(folder), *sizes], folder / "prepare.log")


def build_large(folder: Path, overrides: Sequence[str]) -> BuildResult:
    """Builds the large servable of what lies in the folder.

    Raises:
        BenchmarkError: if that fails.
    """
    _run(["benchmarks.large_build", str(folder), *overrides], folder / "build.log")
    return read_result(json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))


def _run(module: Sequence[str], log: Path) -> None:
    usage = run_watched([sys.executable, "-m", *module], log)
    if usage.exit_code:
        raise BenchmarkError(f"{module[0]} failed. The end of {log}:\n{tail(log)}")


def main(
    data: Annotated[
        Path | None, typer.Option(help="Run the pipeline on it, for a servable to call.")
    ] = None,
    servable: Annotated[
        Path | None, typer.Option(help="Call this one: OUT/serving/recommender/<version>.")
    ] = None,
    items: Annotated[
        int, typer.Option(min=0, help="Of the large servable; 0 builds none.")
    ] = ITEMS,
    dimension: Annotated[int, typer.Option(min=2, help="Of its embeddings.")] = DIMENSION,
    output: Annotated[
        Path | None, typer.Option(help="For everything written; default: a new folder.")
    ] = None,
    overrides: Overrides = None,
    json_file: JsonFile = None,
) -> None:
    """Times calls of a servable, and the build of a large one."""
    console = Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    folder = output or Path(tempfile.mkdtemp(prefix="marquee-servable-"))
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"Everything is in {folder}", highlight=False)
    report: dict[str, Any] = {}
    limits: list[Limit] = []
    try:
        if servable is None and data is not None:
            servable = pushed_servable(data, folder, overrides or [])
        if servable is not None:
            calls = measure_calls(servable, folder)
            console.print(calls_table(calls))
            limits += call_limits(calls)
            report["calls"] = [asdict(times) for times in calls]
        if items:
            large = folder / "large"
            console.print(f"Making a catalogue of {items:,} items", highlight=False)
            prepare_large(large, items, dimension)
            console.print("Building its servable")
            built = build_large(large, overrides or [])
            console.print(phases_table(built))
            found = measure_search(large)
            console.print(search_table(found))
            limits += [*build_limits(built), *search_limits(found)]
            report |= {"build": asdict(built), "search": asdict(found)}
    except (BenchmarkError, MarqueeError) as err:
        console.print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    console.print(limits_table(limits))
    if json_file:
        json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
