"""Measures how many candidates are worth it: `python -m benchmarks.tradeoff --data DIR`.

Each user's last interactions are split off before anything else, and the pipeline runs once on the
rest. Of what it trained, a servable is then built for each number of candidates: generators and
ranker stay the same. Each is asked for every test user's list, and timed on one core.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import metrics
from benchmarks.one_core import Times
from benchmarks.options import DataFolder, JsonFile, Overrides
from benchmarks.processes import BenchmarkError, check_run, run_command, run_watched
from benchmarks.quality import Task, make_task
from benchmarks.servable import measure_calls
from benchmarks.servable_results import TAIL_PERCENT, percentile
from benchmarks.tradeoff_plot import draw
from components.errors import MarqueeError
from models import contract
from pipeline.config import Config, load_config
from pipeline.layout import OutputLayout
from pipeline.run_log import end_quietly, noise_to

NUMBERS = (50, 100, 200, 500)
SERVED_FORMAT = "Format-Serving"  # folder of a trainer's model artifact
BATCH = 32  # users asked for at once
SHORTEST = 100  # the evaluation signature reads lists of it
FILE_WIDTH = 120  # characters, where there is no terminal to fit into


@dataclass(frozen=True)
class Point:
    """What a number of candidates gives and costs.

    Attributes:
        candidates: retrieved and ranked for each request.
        ndcg_at_10: of the final list.
        recall_at_100: of the final list.
        candidate_recall: of the candidates: what the best ranker of all could reach.
        median_ms: of `recommend` for one user, in process on one core.
        tail_ms: what 99 in 100 of those calls do not exceed.
        processor_ms: median that the processor worked for `recommend`.
        retrieve_ms: median that the processor worked for `retrieve`.
    """

    candidates: int
    ndcg_at_10: float
    recall_at_100: float
    candidate_recall: float
    median_ms: float
    tail_ms: float
    processor_ms: float
    retrieve_ms: float


def built_with(artifacts: Path, config: Config, number: int, target: Path) -> Path:
    """Builds the servable of a run again, with another number of candidates.

    Args:
        artifacts: of a run in a folder of its own.
        config: of the run.
        number: of candidates.
        target: of the bundle.

    Returns:
        The bundle.

    Raises:
        BenchmarkError: if an artifact is missing.
    """
    from models import features
    from models.servable_builder import BuildOptions, BuildSources, build_servable

    examples = newest(artifacts / "InteractionExampleGen" / "examples")
    transformed = newest(artifacts / "Transform" / "transformed_examples")
    sources = BuildSources(
        transform_graph=str(newest(artifacts / "Transform" / "transform_graph")),
        retrieval=str(newest(artifacts / "RetrievalTrainer" / "model") / SERVED_FORMAT),
        ranker=str(newest(artifacts / "RankingTrainer" / "model") / SERVED_FORMAT),
        transformed=str(transformed / f"Split-{features.ITEMS_SPLIT}"),
        items=str(examples / f"Split-{features.ITEMS_SPLIT}"),
        users=str(examples / f"Split-{features.USERS_SPLIT}"),
    )
    # Not validated: what a configuration may not ask for, fewer candidates than the evaluation's
    # lists have places, is measured too.
    most = max(number, SHORTEST)
    serving = config.serving.model_copy(update={"candidates": number, "max_k": most})
    options = BuildOptions(
        max_history=config.data.max_history,
        candidates=config.candidates,
        index=config.index,
        reranking=config.reranking,
        serving=serving,
    )
    build_servable(sources, str(target), options)
    return target


def newest(folder: Path) -> Path:
    """Returns the artifact of the last execution; executions are numbered.

    Raises:
        BenchmarkError: if there is none.
    """
    numbered = [path for path in folder.glob("*") if path.name.isdecimal()]
    if not numbered:
        raise BenchmarkError(
            f"{folder} must hold an artifact. Received: none. Give the output of a whole run."
        )
    return max(numbered, key=lambda path: int(path.name))


def ask(signatures: Any, name: str, user_ids: Sequence[str], k: int) -> list[list[str]]:
    """Asks a loaded servable for lists.

    Args:
        signatures: of the servable.
        name: of the signature.
        user_ids: whose lists.
        k: places of each list.

    Returns:
        Ids, best first, without padding.
    """
    import tensorflow as tf

    lists: list[list[str]] = []
    for start in range(0, len(user_ids), BATCH):
        asked = tf.constant(user_ids[start : start + BATCH])
        found = signatures[name](user_id=asked, k=tf.constant(k))[contract.ITEM_ID].numpy()
        lists += [[item.decode() for item in row if item] for row in found]
    return lists


def positions(lists: Sequence[Sequence[str]], item_ids: Sequence[str]) -> NDArray[np.int64]:
    """Returns int64 [Q, longest]: places in the catalogue, -1 pads.

    Args:
        lists: ids, at least one in all.
        item_ids: of the catalogue.
    """
    place = {item_id: number for number, item_id in enumerate(item_ids)}
    found = np.full((len(lists), max(map(len, lists))), metrics.NO_ITEM, np.int64)
    for row, items in zip(found, lists, strict=True):
        row[: len(items)] = [place[item] for item in items]
    return found


def quality_of(
    task: Task, final: NDArray[np.int64], candidates: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Returns nDCG@10 and recall@100 of final lists, and the recall of whole lists of candidates.

    Args:
        task: the test users, and what they chose.
        final: int64 [Q, K], item indices, -1 pads.
        candidates: int64 [Q, C], the same.
    """
    found = metrics.hit_matrix(candidates, task.test, task.users)
    counts = np.diff(task.test.indptr)[task.users]
    quality = metrics.evaluate(final, task.test, task.users)
    recall = metrics.recall(found, counts, candidates.shape[1])
    return quality.ndcg_at_10, quality.recall_at_100, float(recall.mean())


def measure(task: Task, servable: Path, number: int, folder: Path) -> Point:
    """Asks a servable for every test user's list, then times it.

    Args:
        task: the test users, and what they chose.
        servable: with that number of candidates.
        number: of candidates.
        folder: for the log of the timing.
    """
    from benchmarks.one_core import load

    model = load(servable)
    user_ids = [task.dataset.user_ids[user] for user in task.users]
    final = ask(model.signatures, contract.RECOMMEND, user_ids, metrics.RECALL_K)
    candidates = ask(model.signatures, contract.RETRIEVE, user_ids, number)
    ids = task.dataset.item_ids
    quality = quality_of(task, positions(final, ids), positions(candidates, ids))
    return Point(number, *quality, *_milliseconds(measure_calls(servable, folder)))


def _milliseconds(calls: Sequence[Times]) -> tuple[float, float, float, float]:
    recommend, retrieve = (
        next(times for times in calls if (times.name, times.batch) == (name, 1))
        for name in (contract.RECOMMEND, contract.RETRIEVE)
    )
    return (
        statistics.median(recommend.milliseconds),
        percentile(recommend.milliseconds, TAIL_PERCENT),
        statistics.median(recommend.processor),
        statistics.median(retrieve.processor),
    )


def table_of(points: Sequence[Point]) -> Table:
    """Returns one row a number of candidates."""
    table = Table()
    for name in (
        "candidates",
        "nDCG@10",
        "recall@100",
        "recall of candidates",
        "recommend ms",
        f"p{TAIL_PERCENT} ms",
        "processor ms",
        "retrieve processor ms",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for point in points:
        table.add_row(
            f"{point.candidates}",
            f"{point.ndcg_at_10:.4f}",
            f"{point.recall_at_100:.4f}",
            f"{point.candidate_recall:.4f}",
            f"{point.median_ms:.2f}",
            f"{point.tail_ms:.2f}",
            f"{point.processor_ms:.2f}",
            f"{point.retrieve_ms:.2f}",
        )
    return table


def print_points(console: Console, task: Task, points: Sequence[Point]) -> None:
    """Prints the table, and what its columns are."""
    console.print(
        f"{len(task.users)} test users, {int(task.test.nnz)} held-out interactions, "
        f"{task.test.shape[1]} items; each user's last 20 %"
    )
    console.print(table_of(points))
    console.print("ms: medians for one user in process, on one core; a list of 10")


def run_once(
    task_folder: Path, folder: Path, overrides: Sequence[str], finished: Path | None
) -> OutputLayout:
    """Runs the pipeline, unless there is a run already.

    Args:
        task_folder: what to learn from.
        folder: for the run and its log.
        overrides: of the configuration.
        finished: the output of a run on the same data with the same overrides.

    Raises:
        BenchmarkError: if the run pushes nothing.
    """
    if finished is not None:
        return OutputLayout(finished)
    log = folder / "run.log"
    check_run(run_watched(run_command(task_folder, folder / "run", overrides), log), log)
    return OutputLayout(folder / "run")


def main(
    data: DataFolder,
    output: Annotated[
        Path | None, typer.Option(help="For everything written; default: a new folder.")
    ] = None,
    finished: Annotated[
        Path | None,
        typer.Option("--run", help="A run's output on OUTPUT/train, to measure without another."),
    ] = None,
    overrides: Overrides = None,
    json_file: JsonFile = None,
    plot: Annotated[Path | None, typer.Option(help="Draws quality and time, as SVG.")] = None,
) -> None:
    """Measures quality and time for 50, 100, 200 and 500 candidates."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    folder = output or Path(tempfile.mkdtemp(prefix="marquee-tradeoff-"))
    log = folder / "benchmark.log"
    try:
        config = load_config(None, overrides or [])
        with noise_to(log) as console:
            if not console.is_terminal:
                console.width = FILE_WIDTH
            console.print(f"Everything is in {folder}", highlight=False)
            task = make_task(data, folder / "train")
            layout = run_once(folder / "train", folder, overrides or [], finished)
            points = []
            for number in NUMBERS:
                bundle = folder / f"candidates-{number}"
                built_with(layout.artifacts, config, number, bundle)
                points.append(measure(task, bundle, number, folder))
                console.print(f"{number} candidates: nDCG@10 {points[-1].ndcg_at_10:.4f}")
            print_points(console, task, points)
    except (BenchmarkError, MarqueeError) as err:
        Console().print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    end_quietly(log)
    if json_file:
        report = {"test_users": len(task.users), "points": [asdict(point) for point in points]}
        json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if plot:
        draw(points, plot)


if __name__ == "__main__":
    typer.run(main)
