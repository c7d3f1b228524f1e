"""Compares the served recommender with classic ones: `python -m benchmarks.quality --data DIR`.

A test part is split off before anything else: each user's last interactions, or a random share of
each item's, as many published comparisons do. The pipeline never sees it. It trains on the rest
with its default configuration and pushes a model, `marquee serve` serves it, and every test user's
list is asked for over gRPC. The classic recommenders learn from the same rest. Everything held out
counts as relevant, whatever its rating; what a user has in the rest counts as seen.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from scipy import sparse

from benchmarks import baselines, metrics
from benchmarks.options import DataFolder, JsonFile, Overrides
from benchmarks.processes import BenchmarkError, check_run, run_command, run_watched
from benchmarks.quality_results import ServedResult, as_json, table_of
from benchmarks.split import (
    Dataset,
    Division,
    default_data_options,
    hold_out,
    read_dataset,
    write_train_folder,
)
from components.errors import MarqueeError

K = metrics.RECALL_K
LATENCY_USERS = 200  # asked one by one
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


def make_task(data: Path, train_folder: Path, division: Division = Division.TIME_PER_USER) -> Task:
    """Splits the data set in `data` and writes the part to learn from to `train_folder`.

    Raises:
        DataError: if the data cannot be read.
        BenchmarkError: if there are too few interactions for any to be held out.
    """
    options = default_data_options()
    dataset = read_dataset(data, options)
    held_out = hold_out(dataset, division)
    test = dataset.matrix(held_out)
    users = np.flatnonzero(np.diff(test.indptr))
    if not len(users):
        owners = "items" if division is Division.RANDOM_PER_ITEM else "users"
        raise BenchmarkError(
            f"{data} must hold {owners} with at least 3 interactions. Received: none. Add data."
        )
    write_train_folder(dataset, held_out, data, train_folder, options)
    return Task(dataset, dataset.matrix(~held_out), test, users)


def measure_served(
    task: Task, train_folder: Path, output: Path, sets: Sequence[str], seed: int | None = None
) -> ServedResult:
    """Trains, serves and asks.

    Args:
        task: what to ask for.
        train_folder: what to train on.
        output: folder for the run's output and the logs.
        sets: configuration overrides, key.path=value.
        seed: of the run; None for the configured one.

    Raises:
        BenchmarkError: if the run pushes nothing, or the server does not answer.
    """
    from benchmarks import served  # it imports TensorFlow, which --help need not wait for

    run_log, server_log = output / "run.log", output / "serve.log"
    overrides = [*([] if seed is None else [f"seed={seed}"]), *sets]
    usage = run_watched(run_command(train_folder, output / "run", overrides), run_log)
    check_run(usage, run_log)
    asked = [task.dataset.user_ids[user] for user in task.users]
    with served.served(output / "run" / "serving", server_log) as channel:
        lists = served.ask(channel, asked, K)
        median_ms = statistics.median(served.latencies_ms(channel, asked[:LATENCY_USERS], K))
    recommended = item_indices(lists, task.dataset.item_ids)
    return ServedResult(
        seed=seed,
        quality=metrics.evaluate(recommended, task.test, task.users),
        median_ms=median_ms,
        seen=int(metrics.hit_matrix(recommended, task.train, task.users).sum()),
        run_seconds=usage.seconds,
        run_peak_bytes=usage.peak_bytes,
    )


def measure_seeds(
    task: Task,
    train_folder: Path,
    output: Path,
    sets: Sequence[str],
    seeds: Sequence[int | None],
    console: Console,
) -> list[ServedResult]:
    """Measures a run for each seed, each in a folder of its own: none is another's baseline."""
    results = []
    for seed in seeds:
        folder = output if seed is None else output / f"seed-{seed}"
        result = measure_served(task, train_folder, folder, sets, seed)
        quality = result.quality
        # One that fails later takes nothing away from those before it.
        console.print(
            f"{result.name}: nDCG@10 {quality.ndcg_at_10:.4f}, recall@100 "
            f"{quality.recall_at_100:.4f}, {result.run_seconds:.0f} s",
            highlight=False,
        )
        results.append(result)
    return results


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
    console: Console,
    task: Task,
    division: Division,
    results: Sequence[ServedResult],
    classic: dict[str, metrics.Quality],
) -> None:
    """Prints one row a recommender."""
    console.print(
        f"{len(task.users)} test users, {int(task.test.nnz)} held-out interactions, "
        f"{task.test.shape[1]} items; {division.description}"
    )
    console.print(table_of(results, classic))
    seen = sum(result.seen for result in results)
    if seen:
        console.print(f"[red]{seen} recommended items are in their user's history.[/red]")
    seconds = statistics.fmean(result.run_seconds for result in results)
    peak_bytes = max(result.run_peak_bytes for result in results)
    console.print(
        f"ms: median of requests for one user's {K} items; "
        f"marquee run took {seconds:.0f} s and {peak_bytes / 2**30:.1f} GiB"
    )


def parse_seeds(text: str) -> list[int | None]:
    """Returns the comma-separated seeds, or one None for an empty text.

    Raises:
        BenchmarkError: if one is no whole number from 0.
    """
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() for part in parts):
        raise BenchmarkError(
            f"--seeds must be whole numbers from 0 with commas between. Received: {text}. "
            "Give for example 17,18,19."
        )
    # A seed again would tell nothing new.
    return list(dict.fromkeys(int(part) for part in parts)) or [None]


def strategy_sets(division: Division) -> list[str]:
    """Returns the overrides that make the pipeline divide as the benchmark does.

    By time per user it does so by default.
    """
    if division is Division.TIME_PER_USER:
        return []
    return [f"data.split.strategy={division.value}"]


def main(
    data: DataFolder,
    output: Annotated[
        Path | None, typer.Option(help="For the runs and their logs; default: a new folder.")
    ] = None,
    split: Annotated[
        Division, typer.Option(help="The test part: each user's last, or at random of each item's.")
    ] = Division.TIME_PER_USER,
    seeds: Annotated[
        str, typer.Option(help="A run for each; default: one, as configured.", metavar="S,S,S")
    ] = "",
    overrides: Overrides = None,
    json_file: JsonFile = None,
) -> None:
    """Compares the served recommender with most-popular, item-kNN and EASE."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # or it writes between our lines
    console = Console()
    folder = output or Path(tempfile.mkdtemp(prefix="marquee-quality-"))
    train_folder = folder / "train"
    sets = [*strategy_sets(split), *(overrides or [])]
    try:
        runs = parse_seeds(seeds)
        task = make_task(data, train_folder, split)
        console.print(f"Training and serving; logs are in {folder}")
        results = measure_seeds(task, train_folder, folder, sets, runs, console)
    except (BenchmarkError, MarqueeError) as err:
        console.print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    classic = measure_classic(task, console)
    print_results(console, task, split, results, classic)
    if json_file:
        report = {
            "split": split.value,
            "test_users": len(task.users),
            "held_out": int(task.test.nnz),
            "items": int(task.test.shape[1]),
            **as_json(results, classic),
        }
        json_file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
