"""Builds a large servable: `python -m benchmarks.large_build FOLDER [KEY=VALUE ...]`.

The folder is what `benchmarks.large_models` left; the result goes to a file in it. Memory is read
from the system many times a second, by phase of the build: hence a process of its own.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from models.progress import PROGRESS_LOGGER
from models.servable_builder import BuildOptions, BuildSources, build_servable
from pipeline.config import Config, load_config

POLL_S = 0.02  # between two samples of the memory
SAVING = "servable: saving"  # what the builder says when it starts to
BUNDLE = "bundle"
RESULT_FILE = "build.json"


@dataclass(frozen=True)
class Phase:
    """A part of the build: what the builder said at its start, and the most memory until the next.

    Attributes:
        name: what the builder said.
        seconds: it took.
        peak_bytes: resident.
    """

    name: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class BuildResult:
    """What a build took.

    Attributes:
        items: in the catalogue.
        dimension: of the main family's embeddings.
        generators: that nominate, the main family first.
        phases: in order.
        bundle_bytes: of all files of the bundle.
    """

    items: int
    dimension: int
    generators: list[str]
    phases: list[Phase]
    bundle_bytes: int

    @property
    def seconds(self) -> float:
        """From the start of the build to the end of its own checks."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def peak_bytes(self) -> int:
        """The most memory of all phases, resident."""
        return max(phase.peak_bytes for phase in self.phases)

    @property
    def saving_bytes(self) -> int:
        """The most memory while the bundle is written, resident."""
        return max(phase.peak_bytes for phase in self.phases if phase.name == SAVING)


class MemoryWatch(logging.Handler):
    """Splits a build into phases by what the builder reports, and samples memory all along."""

    def __init__(self) -> None:
        """Starts the first phase."""
        super().__init__()
        self.phases: list[Phase] = []
        self._process = psutil.Process()
        self._name, self._started, self._peak = "reading", time.monotonic(), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Ends a phase and starts the next."""
        now = time.monotonic()
        self._peak = max(self._peak, self._process.memory_info().rss)
        self.phases.append(Phase(self._name, now - self._started, self._peak))
        self._name, self._started, self._peak = record.getMessage(), now, 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watches while the block runs."""
        logger = logging.getLogger(PROGRESS_LOGGER)
        level = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        self._thread.start()
        try:
            yield
            logger.info("end")
        finally:
            self._ended.set()
            self._thread.join()
            logger.setLevel(level)
            logger.removeHandler(self)

    def _sample(self) -> None:
        while not self._ended.wait(POLL_S):
            self._peak = max(self._peak, self._process.memory_info().rss)


def sources_in(folder: Path) -> BuildSources:
    """Returns what a servable is built from, as `benchmarks.large_catalogue` names the folders."""
    return BuildSources(
        transform_graph=str(folder / "graph"),
        retrieval=str(folder / "stage"),
        ranker=str(folder / "ranker"),
        transformed=str(folder / "transformed" / "Split-items"),
        items=str(folder / "raw" / "Split-items"),
        users=str(folder / "raw" / "Split-users"),
    )


def build_options(config: Config) -> BuildOptions:
    """Returns the parts of a configuration that the builder reads."""
    return BuildOptions(
        max_history=config.data.max_history,
        candidates=config.candidates,
        index=config.index,
        reranking=config.reranking,
        serving=config.serving,
    )


def folder_bytes(folder: Path) -> int:
    """Returns the size of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def build(folder: Path, overrides: Sequence[str]) -> BuildResult:
    """Builds a servable and watches it.

    Args:
        folder: of the sources; the bundle becomes a folder in it.
        overrides: of the configuration, key.path=value.
    """
    config = load_config(None, overrides)
    bundle = folder / BUNDLE
    watch = MemoryWatch()
    with watch.watching():
        report = build_servable(sources_in(folder), str(bundle), build_options(config))
    return BuildResult(
        items=report.items,
        dimension=report.embedding_dimension,
        generators=report.generators,
        phases=watch.phases,
        bundle_bytes=folder_bytes(bundle),
    )


def read_result(values: dict[str, Any]) -> BuildResult:
    """Returns what `asdict` made of a result."""
    phases = [Phase(**phase) for phase in values["phases"]]
    return BuildResult(**{**values, "phases": phases})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    result = build(folder, sys.argv[2:])
    (folder / RESULT_FILE).write_text(json.dumps(asdict(result)), encoding="utf-8")
