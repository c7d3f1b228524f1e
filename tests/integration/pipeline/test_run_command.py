import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    command = [sys.executable, "-m", "pipeline", "synthesize", "--out", str(folder)]
    sizes = ["--users", "5", "--items", "20", "--interactions", "50"]
    subprocess.run([*command, *sizes], check=True, capture_output=True)
    return folder


def test_ends_with_1_and_names_its_log_when_a_component_cannot_work(
    data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "metadata.db").write_text("this is no database, and TFX cannot open it")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", "--data", str(data), "--output", str(output)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
        timeout=120.0,
    )
    assert done.returncode == 1
    assert re.search(r"^ 1/\d+ CatalogExampleGen +failed$", done.stdout, re.MULTILINE)
    (log,) = output.glob("logs/*.log")
    told = re.fullmatch(r"(.*file is not a database.*) \(log: (.*)\)\n", done.stderr)
    assert told, done.stderr
    assert told[2] == str(log)
    # The traceback is for the log alone.
    assert "Traceback (most recent call last)" in log.read_text()
    assert not (output / "serving").exists()


def test_is_refused_in_one_line_when_another_run_writes_to_the_output(
    data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    with (output / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "run", "--data", str(data), "--output", str(output)],
            capture_output=True,
            text=True,
            timeout=60.0,
        )
    assert done.returncode == 2
    assert done.stderr == (
        f"--output {output}: another run is writing there. Wait for its end, or name another "
        "folder.\n"
    )


def test_ends_with_130_and_pushes_nothing_when_interrupted(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        "--data",
        str(data),
        "--output",
        str(output),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "CatalogExampleGen" in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=60.0)
    assert (process.returncode, err) == (130, "Interrupted.\n")
    assert not (output / "serving").exists()
