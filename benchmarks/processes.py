"""Runs `marquee` in processes of its own, with logs and memory watched."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_S = 0.25  # between two samples of the memory
STOP_S = 20.0  # for a process to end by itself when asked to
LOG_LINES = 12  # shown of a log when something fails


class BenchmarkError(Exception):
    """A benchmark could not be carried out: the message says why, and where the log is."""


@dataclass(frozen=True)
class Usage:
    """What a process and its children took."""

    exit_code: int
    seconds: float
    peak_bytes: int  # sum of resident set sizes: pages that processes share count several times


def marquee(*arguments: str) -> list[str]:
    """Returns the command that calls this checkout's `marquee`."""
    return [sys.executable, "-m", "pipeline", *arguments]


def run_command(
    data: Path, output: Path, overrides: Sequence[str] = (), config: Path | None = None
) -> list[str]:
    """Returns the command `marquee run`, with `overrides` of the form key.path=value."""
    command = marquee("run", "--data", str(data), "--output", str(output))
    if config:
        command += ["--config", str(config)]
    for override in overrides:
        command += ["--set", override]
    return command


def run_watched(command: Sequence[str], log: Path) -> Usage:
    """Runs a command to its end, its output going to the file `log`."""
    started = time.monotonic()
    peak = 0
    with background(command, log) as process:
        while process.poll() is None:
            peak = max(peak, resident_bytes(process.pid))
            time.sleep(POLL_S)
    return Usage(process.returncode, time.monotonic() - started, peak)


@contextmanager
def background(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a command while the block runs, then ends it and its children."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ),
            start_new_session=True,  # one signal reaches the children too
        )
        try:
            yield process
        finally:
            _stop(process)


def resident_bytes(pid: int) -> int:
    """Returns the memory of a process and all its children now, 0 once it has ended."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for member in family:
        try:
            total += int(member.memory_info().rss)
        except psutil.NoSuchProcess:  # ended since it was listed
            continue
    return total


def check_run(usage: Usage, log: Path) -> None:
    """Checks that `marquee run` pushed a model.

    Raises:
        BenchmarkError: if not, with the end of its log.
    """
    if usage.exit_code == 0:
        return
    verdict = {
        2: "found fault with its arguments, configuration or data",
        3: "finished, but a gate refused the model",
    }.get(usage.exit_code, "failed")
    raise BenchmarkError(
        f"`marquee run` {verdict} (exit code {usage.exit_code}). The end of {log}:\n{tail(log)}"
    )


def tail(log: Path) -> str:
    """Returns the last lines of a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES:]) or "(empty)"


def _environment(current: Mapping[str, str]) -> dict[str, str]:
    # TFX reads the first before any code of ours runs; a log has no use for a terminal's width.
    return {"TF_USE_LEGACY_KERAS": "1", "COLUMNS": "120", **current}


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
