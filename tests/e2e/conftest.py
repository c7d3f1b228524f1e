"""Runs of the command line over one output folder, each made once and read by many tests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SMALL = ["--users", "150", "--items", "200", "--interactions", "6000", "--seed", "3"]
# Little training, and bounds that hold for it: these tests are of the machinery. A sabotaged model
# loses about 0.1 of recall@50 here, one that trains an epoch longer next to nothing.
QUICK = {
    "retrieval.max_epochs": "2",
    "ranking.max_epochs": "1",
    "canary.users": "5",
    "gate.max_drop": "{recall@50: 0.05}",
    "gate.min_lift": "null",
}
RUN_TIMEOUT_S = 600.0
START_TIMEOUT_S = 120.0
SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def one_line(self) -> str:
        """Returns what was told on standard error, which must be one line and no traceback."""
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


@dataclass(frozen=True)
class Run(Finished):
    """A `marquee run` that has ended, and what its output folder then held."""

    output: Path
    versions: tuple[int, ...]

    @property
    def serving(self) -> Path:
        """TF Serving's base path."""
        return self.output / "serving" / "recommender"

    def reports(self) -> Path:
        """The folder of this run's report."""
        page = re.search(r"^Model card:\s+(\S+)$", self.out, re.MULTILINE)
        assert page, self.out
        return Path(page[1]).parent

    def metrics(self) -> dict[str, Any]:
        """What the gate saw."""
        return json.loads((self.reports() / "metrics.json").read_text())

    def reused(self) -> dict[str, bool]:
        """Whether each component was reused, in the order of the graph."""
        lines = re.findall(r"^ *\d+/\d+ (\w+) +(reused|[\d.]+ s)$", self.out, re.MULTILINE)
        return {name: took == "reused" for name, took in lines}


Marquee = Callable[..., Finished]
RunMarquee = Callable[..., Run]
RunAlone = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def marquee() -> Marquee:
    """Calls the command line in a process of its own."""

    def call(*arguments: str) -> Finished:
        # A wide terminal, so that no path is wrapped.
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "300"},
            timeout=RUN_TIMEOUT_S,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def run_marquee(marquee: Marquee) -> RunMarquee:
    """Calls `marquee run` with little training."""

    def call(data: Path, output: Path, *more: str, **changed: str) -> Run:
        options = {**QUICK, **{key.replace("__", "."): value for key, value in changed.items()}}
        sets = [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
        done = marquee("run", "--data", str(data), "--output", str(output), *sets, *more)
        folder = output / "serving" / "recommender"
        versions = sorted(int(path.name) for path in folder.iterdir()) if folder.is_dir() else []
        return Run(done.code, done.out, done.err, output, tuple(versions))

    return call


@pytest.fixture(scope="session")
def small_data(marquee: Marquee, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    done = marquee("synthesize", "--out", str(folder), *SMALL)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def first_run(
    run_marquee: RunMarquee, small_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    return run_marquee(small_data, tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="session")
def unchanged_run(run_marquee: RunMarquee, small_data: Path, first_run: Run) -> Run:
    return run_marquee(small_data, first_run.output)


@pytest.fixture(scope="session")
def changed_run(run_marquee: RunMarquee, small_data: Path, unchanged_run: Run) -> Run:
    return run_marquee(small_data, unchanged_run.output, retrieval__max_epochs="3")


@pytest.fixture(scope="session")
def target(changed_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the output folder, started before the sabotaged run and there until the end."""
    folder = tmp_path_factory.mktemp("server")
    port_file = folder / "port"
    command = [sys.executable, "-m", "pipeline", "serve", "--port", "0"]
    command += ["--model-dir", str(changed_run.serving.parent), "--port-file", str(port_file)]
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not port_file.exists():
                log.seek(0)
                assert server.poll() is None, log.read()
                assert time.monotonic() < deadline_s, log.read()
                time.sleep(0.1)
            yield f"127.0.0.1:{port_file.read_text()}"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30.0)


@pytest.fixture(scope="session")
def sabotaged_run(run_marquee: RunMarquee, small_data: Path, changed_run: Run, target: str) -> Run:
    """A run whose model is noise, while a server is up."""
    assert target
    return run_marquee(
        small_data,
        changed_run.output,
        retrieval__max_epochs="3",
        retrieval__sabotage="true",
    )


@pytest.fixture(scope="session")
def run_alone(tmp_path_factory: pytest.TempPathFactory) -> RunAlone:
    """Runs a script of this folder that knows nothing of the project, and reads its JSON."""

    def run(script: str, *arguments: str) -> dict[str, Any]:
        # Isolated, so that neither the folder nor the environment leads it to our packages.
        done = subprocess.run(
            [sys.executable, "-I", str(SCRIPTS / script), *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path_factory.mktemp("elsewhere"),
            timeout=RUN_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def answers(target: str, sabotaged_run: Run, run_alone: RunAlone) -> dict[str, Any]:
    """What a stock client is told after the sabotaged run."""
    assert sabotaged_run.output.is_dir()
    return run_alone("stock_client.py", target)


@pytest.fixture(scope="session")
def returned_run(
    run_marquee: RunMarquee, small_data: Path, sabotaged_run: Run, answers: dict[str, Any]
) -> Run:
    """The first run's configuration once more, when another version has been pushed since."""
    assert answers
    return run_marquee(small_data, sabotaged_run.output)
