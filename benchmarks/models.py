"""Compares every family of retrieval models: `python -m benchmarks.models --data DIR`.

Each user's last interactions are split off before anything else. The graph's own components read
and transform the rest once; each family then learns from it in this process and is asked for every
test user's list.
"""

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.candidates import CHOICES, EVERY_FAMILY, Candidate, chosen
from benchmarks.model_plot import draw
from benchmarks.model_progress import family_bar
from benchmarks.model_results import Failure, Result, Row, table_of
from benchmarks.options import DataFolder, JsonFile, Overrides
from benchmarks.processes import BenchmarkError
from benchmarks.quality import Task, make_task
from components.errors import MarqueeError
from pipeline.config import Config, load_config
from pipeline.run_log import end_quietly, noise_to

if TYPE_CHECKING:
    from benchmarks.model_measure import Judge
    from models.retrieval.model import FitContext

FAMILIES_TITLE = "Every family"
CHOICES_TITLE = "Two towers (mixed negatives, cosine): one choice changed at a time"

FILE_WIDTH = 120  # characters, where there is no terminal to fit into

Groups = dict[str, list[Candidate]]
Rows = dict[str, list[Row]]


def measure_all(
    judge: "Judge", groups: Groups, config: Config, folder: Path, console: Console
) -> Rows:
    """Fits and measures every candidate, showing how far it is.

    Args:
        judge: asks the models.
        groups: candidates by title.
        config: for the seed and the range of the ratings.
        folder: for TensorBoard's logs.
        console: shows the progress.

    Returns:
        Rows by title, each group starting with the most popular.
    """
    from models.retrieval.model import FitContext

    interactions = config.data.interactions
    explicit = interactions.feedback == "explicit"
    context = FitContext(config.seed, interactions.rating_range if explicit else None, str(folder))
    popular = judge.most_popular()
    rows: Rows = {}
    known: dict[str, list[Row]] = {}
    with family_bar(console, sum(len(group) for group in groups.values())) as (show, finished):
        for title, group in groups.items():
            rows[title] = [popular]
            for candidate in group:
                if candidate.name not in known:
                    show(candidate.name)
                    known[candidate.name] = _fit(judge, candidate, context)
                finished(known[candidate.name])
                rows[title] += known[candidate.name]
    return rows


def _fit(judge: "Judge", candidate: Candidate, context: "FitContext") -> list[Row]:
    try:
        return list(judge.fit(candidate, context))
    except Exception as err:  # whatever goes wrong with one family, the others are still of use
        logging.exception("%s failed", candidate.name)
        return [Failure(candidate.name, f"{type(err).__name__}: {err}")]


def print_results(console: Console, task: Task, rows: Rows) -> None:
    """Prints a table for each group, and why a family failed."""
    console.print(
        f"{len(task.users)} test users, {int(task.test.nnz)} held-out interactions, "
        f"{task.test.shape[1]} items; each user's last 20 %"
    )
    for title, group in rows.items():
        console.print(table_of(title, group))
    console.print(
        "RMSE: of held-out ratings, where ratings are predicted; fit s: with calibration, and for "
        "item-kNN and EASE with the low rank; ms: median of single users, from features to a list"
    )


def write_json(file: Path, task: Task, rows: Rows) -> None:
    """Writes what is in the tables."""
    report = {
        "test_users": len(task.users),
        "held_out": int(task.test.nnz),
        "items": int(task.test.shape[1]),
        "tables": {title: [asdict(row) for row in group] for title, group in rows.items()},
    }
    file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


def divide(data: Path, folder: Path, inner: bool) -> tuple[Task, Path]:
    """Splits off what models are asked for.

    Args:
        data: folder of the data set.
        folder: for the parts.
        inner: whether to divide the part to learn from once more, and never read the test part.

    Returns:
        The task, and the folder of its part to learn from.
    """
    train_folder = folder / "train"
    task = make_task(data, train_folder)
    if not inner:
        return task, train_folder
    inner_folder = folder / "inner"
    return make_task(train_folder, inner_folder), inner_folder


def benchmark(
    data: Path, folder: Path, inner: bool, groups: Groups, config: Config, console: Console
) -> tuple[Task, Rows]:
    """Divides the data, transforms what is to learn from, fits and measures.

    Args:
        data: folder of the data set.
        folder: for everything that is written on the way.
        inner: whether to divide the part to learn from once more, and never read the test part.
        groups: candidates by title.
        config: of the run.
        console: shows the progress.

    Returns:
        The task, and rows by title.

    Raises:
        BenchmarkError: if the data are too few.
        MarqueeError: if they cannot be read.
    """
    from benchmarks.model_measure import Judge  # TensorFlow, which --help need not wait for
    from benchmarks.transformed import run_transform

    task, train_folder = divide(data, folder, inner)
    transformed = run_transform(config, train_folder, folder, console)
    columns = config.data.interactions.columns
    explicit = config.data.interactions.feedback == "explicit"
    judge = Judge(task, transformed, columns.rating if explicit else None)
    return task, measure_all(judge, groups, config, folder / "logs", console)


def main(
    data: DataFolder,
    output: Annotated[
        Path | None, typer.Option(help="For the run and its logs; default: a new folder.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Families to fit, by kind; default: all.")
    ] = None,
    choices: Annotated[bool, typer.Option(help="Also the two towers' choices.")] = True,
    inner: Annotated[
        bool, typer.Option("--inner", help="Divide the training part again; to choose options.")
    ] = False,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="A family's option, KIND.KEY=VALUE.")
    ] = None,
    overrides: Overrides = None,
    json_file: JsonFile = None,
    plot: Annotated[Path | None, typer.Option(help="Draws quality against time, as SVG.")] = None,
) -> None:
    """Compares every family of retrieval models."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    folder = output or Path(tempfile.mkdtemp(prefix="marquee-models-"))
    log = folder / "benchmark.log"
    try:
        groups = _groups(only or [], options or [], choices)
        config = load_config(None, _without_retrieval(overrides or []))
        with noise_to(log) as console:
            if not console.is_terminal:
                console.width = FILE_WIDTH
            console.print(f"Logs are in {folder}", highlight=False)
            task, rows = benchmark(data, folder, inner, groups, config, console)
            print_results(console, task, rows)
    except (BenchmarkError, MarqueeError) as err:
        Console().print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    end_quietly(log)
    if json_file:
        write_json(json_file, task, rows)
    everyone = rows[next(iter(rows))]
    if plot:
        draw([row for row in everyone if isinstance(row, Result)], plot)
    if any(isinstance(row, Failure) for group in rows.values() for row in group):
        raise typer.Exit(1)


def _groups(only: Sequence[str], options: Sequence[str], choices: bool) -> Groups:
    groups = {FAMILIES_TITLE: chosen(EVERY_FAMILY, only, options)}
    if choices:
        groups[CHOICES_TITLE] = chosen(CHOICES, only, options)
    return {title: group for title, group in groups.items() if group}


def _without_retrieval(overrides: Sequence[str]) -> Sequence[str]:
    for override in overrides:
        if override.startswith("retrieval"):
            raise BenchmarkError(
                f"--set {override}: a key outside retrieval was expected, as every family is "
                "fitted. Use --option KIND.KEY=VALUE."
            )
    return overrides


if __name__ == "__main__":
    typer.run(main)
