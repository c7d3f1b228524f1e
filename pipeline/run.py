"""One whole run on this machine: from files to a pushed or a refused model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from components.data_files import data_files
from pipeline.config import Config
from pipeline.dag import RunInputs
from pipeline.fingerprint import code_fingerprint, data_fingerprint
from pipeline.interrupts import Interrupts
from pipeline.layout import OutputLayout
from pipeline.local_runner import LocalRunner
from pipeline.progress_display import ProgressDisplay, Timing

TIMINGS_FILE = "timings.json"
METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        pushed: whether the gates let the model through.
        run_id: names the run.
        report: what the model card counted and the gates decided.
        timings: of each component.
    """

    pushed: bool
    run_id: str
    report: dict[str, Any]
    timings: list[Timing]


def run_pipeline(
    config: Config,
    data_dir: Path,
    layout: OutputLayout,
    run_id: str,
    console: Console,
    interrupts: Interrupts,
) -> RunOutcome:
    """Runs the graph and reads what it decided.

    Args:
        config: the configuration.
        data_dir: folder of the interactions and the catalogue.
        layout: of the output folder.
        run_id: names the run.
        console: shows the progress.
        interrupts: of the person who runs it.

    Returns:
        How it ended.

    Raises:
        KeyboardInterrupt: if a person stopped the run.
        MarqueeError: if the data cannot be used or a gate cannot do its work.
    """
    files = map(Path, data_files(str(data_dir), config.data))
    run = RunInputs(
        data_dir=str(data_dir),
        data_fingerprint=data_fingerprint(data_dir, files),
        code_fingerprint=code_fingerprint(),
        serving_dir=str(layout.serving),
        reports_dir=str(layout.reports),
        run_id=run_id,
    )
    runner = LocalRunner(config, run, layout)
    display = ProgressDisplay(console, runner.node_count)
    runner.run(display, interrupts)
    folder = layout.reports / run_id
    timings = {"run": run_id, "components": [asdict(timing) for timing in display.timings]}
    (folder / TIMINGS_FILE).write_text(json.dumps(timings, indent=2) + "\n")
    report = json.loads((folder / METRICS_FILE).read_text())
    return RunOutcome(report["decision"] == "pushed", run_id, report, display.timings)
