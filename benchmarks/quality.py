"""Compares the served recommender with classic ones: `python -m benchmarks.quality --data DIR`.

Each user's last interactions are split off before anything else; the pipeline never sees them. It
trains on the rest and pushes a model, `marquee serve` serves it, and every test user's list is
asked for over gRPC. The classic recommenders learn from the same rest.
"""

import json
import os
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import sparse

from benchmarks import baselines, metrics
from benchmarks.processes import BenchmarkError, check_run, run_command, run_watched
from benchmarks.split import (
    Dataset,
    default_data_options,
    read_dataset,
    time_per_user,
    write_train_folder,
)
from components.errors import MarqueeError

K = metrics.RECALL_K
EVAL_FRACTION = 0.1  # of the rest, for the pipeline's own gate
LATENCY_USERS = 200  # asked one by one
SERVED_NAME = "Marquee (served)"
CLASSIC = {
    "most-popular": baselines.most_popular,
    f"item-kNN ({baselines.NEIGHBOURS})": baselines.item_knn,
    f"EASE (λ={baselines.EASE_L2:.0f})": baselines.ease,
}


@dataclass(frozen=True)
class Task:
    """The data set, divided: what recommenders learn from and what they are asked for."""

    dataset: Dataset
    train: sparse.csr_matrix  # binary [U, I]
    test: sparse.csr_matrix  # binary [U, I]
    users: NDArray[np.int64]  # [Q], those with something held out


@dataclass(frozen=True)
class ServedResult:
    """What the served model reached."""

    quality: metrics.Quality
    median_ms: float  # of requests for one user and K items
    seen: int  # items served to users who have them in their training history: must be 0
    run_seconds: float
    run_peak_bytes: int


def make_task(data: Path, train_folder: Path) -> Task:
    """Splits the data set in `data` and writes the part to learn from to `train_folder`.

    Raises:
        DataError: if the data cannot be read.
        BenchmarkError: if no user has enough interactions for any to be held out.
    """
    options = default_data_options()
    dataset = read_dataset(data, options)
    held_out = time_per_user(dataset.user, dataset.timestamp)
    test = dataset.matrix(held_out)
    users = np.flatnonzero(np.diff(test.indptr))
    if not len(users):
        raise BenchmarkError(
            f"{data} must hold users with at least 3 interactions. Received: none. Add data."
        )
    write_train_folder(dataset, held_out, data, train_folder, options)
    return Task(dataset, dataset.matrix(~held_out), test, users)


def measure_served(task: Task, train_folder: Path, output: Path, sets: list[str]) -> ServedResult:
    """Trains, serves and asks.

    Args:
        task: what to ask for.
        train_folder: what to train on.
        output: folder for the run's output and the logs.
        sets: configuration overrides, key.path=value.

    Raises:
        BenchmarkError: if the run pushes nothing, or the server does not answer.
    """
    from benchmarks import served  # it imports TensorFlow, which --help need not wait for

    run_log, server_log = output / "run.log", output / "serve.log"
    overrides = [f"data.split.eval_fraction={EVAL_FRACTION}", *sets]
    usage = run_watched(run_command(train_folder, output / "run", overrides), run_log)
    check_run(usage, run_log)
    asked = [task.dataset.user_ids[user] for user in task.users]
    with served.served(output / "run" / "serving", server_log) as channel:
        lists = served.ask(channel, asked, K)
        median_ms = statistics.median(served.latencies_ms(channel, asked[:LATENCY_USERS], K))
    recommended = item_indices(lists, task.dataset.item_ids)
    return ServedResult(
        quality=metrics.evaluate(recommended, task.test, task.users),
        median_ms=median_ms,
        seen=int(metrics.hit_matrix(recommended, task.train, task.users).sum()),
        run_seconds=usage.seconds,
        run_peak_bytes=usage.peak_bytes,
    )


def item_indices(lists: list[list[str]], item_ids: list[str]) -> NDArray[np.int64]:
    """Returns int64 [Q, K]: positions in the catalogue, -1 pads.

    Raises:
        BenchmarkError: if a list names an item that the catalogue lacks.
    """
    index = {item_id: position for position, item_id in enumerate(item_ids)}
    indices = np.full((len(lists), K), metrics.NO_ITEM, dtype=np.int64)
    for row, items in zip(indices, lists, strict=True):
        try:
            row[: len(items)] = [index[item] for item in items]
        except KeyError as err:
            raise BenchmarkError(f"The server recommended {err}, not in the catalogue.") from err
    return indices


def measure_classic(task: Task, console: Console) -> dict[str, metrics.Quality]:
    """Returns the quality of each classic recommender; one that is too large is left out."""
    results = {}
    for name, fit in CLASSIC.items():
        try:
            scorer = fit(task.train)
        except ValueError as err:
            console.print(f"{name} is left out: {err}")
            continue
        recommended = baselines.recommend(scorer, task.train, task.users, K)
        results[name] = metrics.evaluate(recommended, task.test, task.users)
    return results


def print_results(
    console: Console, task: Task, result: ServedResult, classic: dict[str, metrics.Quality]
) -> None:
    """Prints one row a recommender."""
    held_out = int(task.test.nnz)
    console.print(
        f"{len(task.users)} test users, {held_out} held-out interactions, "
        f"{task.test.shape[1]} items; each user's last 20 %"
    )
    table = Table("recommender", "nDCG@10", "recall@100", "MRR", "coverage@10", "ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, quality in {SERVED_NAME: result.quality, **classic}.items():
        cells = [f"{value:.4f}" for value in asdict(quality).values()]
        table.add_row(name, *cells, f"{result.median_ms:.1f}" if name == SERVED_NAME else "–")
    console.print(table)
    if result.seen:
        console.print(f"[red]{result.seen} recommended items are in their user's history.[/red]")
    console.print(
        f"ms: median of requests for one user's {K} items; "
        f"marquee run took {result.run_seconds:.0f} s and {result.run_peak_bytes / 2**30:.1f} GiB"
    )


def main(
    data: Annotated[Path, typer.Option(help="A data folder in the default format.")],
    output: Annotated[
        Path | None, typer.Option(help="For the run and its logs; default: a new folder.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Sets seed and data.seed.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Configuration override, KEY=VALUE.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Writes the results to this file.")
    ] = None,
) -> None:
    """Compares the served recommender with most-popular, item-kNN and EASE."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # or it writes between our lines
    console = Console()
    folder = output or Path(tempfile.mkdtemp(prefix="marquee-quality-"))
    train_folder = folder / "train"
    seeds = [f"seed={seed}", f"data.seed={seed}"] if seed is not None else []
    sets = [*seeds, *(overrides or [])]
    try:
        task = make_task(data, train_folder)
        console.print(f"Training and serving; logs are in {folder}")
        result = measure_served(task, train_folder, folder, sets)
    except (BenchmarkError, MarqueeError) as err:
        console.print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    classic = measure_classic(task, console)
    print_results(console, task, result, classic)
    if json_file:
        report = {
            "test_users": len(task.users),
            "held_out": int(task.test.nnz),
            "items": int(task.test.shape[1]),
            "served": asdict(result),
            "classic": {name: asdict(quality) for name, quality in classic.items()},
        }
        json_file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
