import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import processes

MEBIBYTE = 2**20


def test_measures_children_too_when_they_hold_the_memory(tmp_path: Path) -> None:
    child = "x = bytearray(b'1') * (150 * 2**20); import time; time.sleep(1.2)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    usage = processes.run_watched([sys.executable, "-c", code], tmp_path / "log")
    assert usage.exit_code == 0
    assert 1.2 <= usage.seconds < 20
    assert 150 * MEBIBYTE < usage.peak_bytes < 300 * MEBIBYTE


def test_ends_the_process_when_the_block_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = time.monotonic()
    with (
        pytest.raises(RuntimeError, match="stop here"),
        processes.background(command, tmp_path / "log") as process,
    ):
        raise RuntimeError("stop here")
    assert not psutil.pid_exists(process.pid)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("code", "message"),
    [(2, "found fault with its arguments"), (3, "a gate refused the model"), (1, "failed")],
)
def test_quotes_the_log_when_the_run_pushes_nothing(
    tmp_path: Path, code: int, message: str
) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", f"print('the reason'); raise SystemExit({code})"]
    usage = processes.run_watched(command, log)
    with pytest.raises(
        processes.BenchmarkError, match=rf"{message}.*\(exit code {code}\)"
    ) as caught:
        processes.check_run(usage, log)
    assert str(caught.value).endswith("the reason")


def test_passes_overrides_on_when_the_command_is_made() -> None:
    command = processes.run_command(Path("D"), Path("O"), ["a.b=1", "c=2"], Path("F"))
    assert command == [
        *(sys.executable, "-m", "pipeline", "run", "--data", "D", "--output", "O"),
        *("--config", "F", "--set", "a.b=1", "--set", "c=2"),
    ]
