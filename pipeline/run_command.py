"""`marquee run`: a run with its log, its data and its closing table."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from components.errors import DataError, MarqueeError
from models.errors import UnsuitableDataError
from pipeline.config import Config
from pipeline.datasets.synthesize import synthesize
from pipeline.interrupts import watch_interrupts
from pipeline.layout import OutputLayout
from pipeline.metrics_table import metrics_table
from pipeline.run_log import end_quietly, noise_to
from pipeline.task_bar import task_bar

if TYPE_CHECKING:
    from pipeline.run import RunOutcome

SYNTHETIC_FOLDER = "synthetic"
PUSHER_NODE = "Pusher"
PAGE_FILE = "index.html"


class RunFailedError(Exception):
    """A run ended without a decision; its log says why."""


def run_command(config: Config, data: Path | None, output: Path) -> bool:
    """Runs the graph, showing progress, and prints what came of it.

    Args:
        config: the configuration.
        data: folder of the data; None makes synthetic data in the output folder.
        output: of the run.

    Returns:
        Whether the model was pushed.

    Raises:
        MarqueeError: if the data or the output folder cannot be used.
        RunFailedError: if a component failed.
    """
    layout = OutputLayout(output.absolute())
    if data is not None and not data.is_dir():
        raise MarqueeError(f"--data {data}: a folder was expected, and there is none.")
    try:
        layout.logs.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise MarqueeError(
            f"--output {output}: a folder to write to was expected: {err.strerror}."
        ) from err
    with _alone_in(layout):
        data_dir = (data or _synthetic(layout)).absolute()
        return _run(config, data_dir, layout)


def _run(config: Config, data_dir: Path, layout: OutputLayout) -> bool:
    run_id = new_run_id()
    log = layout.logs / f"{run_id}.log"
    with noise_to(log) as console, watch_interrupts() as interrupts:
        try:
            # Imported with the noise already going to the file: TFX greets at length.
            with console.status("starting TensorFlow Extended"):
                from pipeline.run import run_pipeline
            outcome = run_pipeline(config, data_dir, layout, run_id, console, interrupts)
        except MarqueeError as err:
            logging.exception("the run stopped")
            raise type(err)(f"{err} (log: {log})") from err
        except UnsuitableDataError as err:
            logging.exception("the run stopped")
            raise DataError(f"retrieval.kind {config.retrieval.kind}: {err} (log: {log})") from err
        except Exception as err:
            logging.exception("the run failed")
            raise RunFailedError(f"{_first_line(err)} (log: {log})") from err
        finally:
            end_quietly(log)
        _print_outcome(console, outcome, layout)
    return outcome.pushed


def new_run_id() -> str:
    """Returns the present time as a name that sorts."""
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


@contextmanager
def _alone_in(layout: OutputLayout) -> Iterator[None]:
    """Keeps other runs out of the output folder; the lock goes when the process does."""
    with layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise MarqueeError(
                f"--output {layout.root}: another run is writing there. Wait for its end, or name "
                "another folder."
            ) from err
        yield


def _synthetic(layout: OutputLayout) -> Path:
    """Makes the default synthetic data; the same bytes each time, so the cache holds."""
    folder = layout.root / SYNTHETIC_FOLDER
    with task_bar(f"writing {folder}") as advance:
        synthesize(folder, progress=advance)
    return folder


def _first_line(err: Exception) -> str:
    lines = (str(err).strip() or type(err).__name__).splitlines()
    # TensorFlow heads its errors with "in user code:" and says what it was at the end.
    return lines[-1].strip() if lines[0].endswith(":") else lines[0]


def _print_outcome(console: Console, outcome: "RunOutcome", layout: OutputLayout) -> None:
    report = outcome.report
    console.print(metrics_table(report))
    console.print(_data_line(report["data"]), highlight=False)
    servable = report["servable"]
    console.print(
        f"Retrieval: {servable['retrieval']} of {servable['embedding_dimension']} dimensions\n"
        f"Index: {servable['index_kind']} over {servable['items']:,} items, recall@100 against "
        f"exact search {servable['index_recall']:.3f}",
        highlight=False,
    )
    for reason in report["reasons"]:
        console.print(Text(reason))
    page = layout.reports / outcome.run_id / PAGE_FILE
    if outcome.pushed:
        reused = all(timing.cached for timing in outcome.timings if timing.id == PUSHER_NODE)
        how = "Unchanged; pushed before as" if reused else "Pushed"
        console.print(Text(f"{how} version {report['pushed_version']}: {report['pushed_path']}"))
    else:
        console.print(Text("Refused: nothing was pushed; what was served before still is."))
    console.print(Text(f"Model card: {page}"))


def _data_line(data: dict[str, Any]) -> str:
    # By now TFX is loaded; at the top of the module it would make every error wait for it.
    from components.rejects import DUPLICATE

    counts, rejected = data["counts"], dict(data["rejected"]["interactions"])
    repeated = rejected.pop(DUPLICATE, 0)
    return (
        f"Data: {counts['rows read']:,} rows, {counts['rows accepted']:,} kept, "
        f"{repeated:,} repeated, {sum(rejected.values()):,} rejected; {counts['users']:,} users, "
        f"from {counts['first interaction']} to {counts['last interaction']}"
    )
