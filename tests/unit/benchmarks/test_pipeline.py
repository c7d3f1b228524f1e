import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.pipeline import Timing, print_usage, read_timings
from benchmarks.processes import BenchmarkError, Usage


def _write(output: Path, run: str, text: str, time_s: int) -> None:
    file = output / "reports" / run / "timings.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    os.utime(file, (time_s, time_s))


def test_reads_the_newest_run_when_there_are_several(tmp_path: Path) -> None:
    new = {"run": "a", "components": [{"id": "Transform", "seconds": 2, "cached": True}]}
    _write(tmp_path, "a", json.dumps(new), 2000)
    _write(tmp_path, "b", "{}", 1000)
    assert read_timings(tmp_path) == [Timing("Transform", 2.0, True)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"components": [{"id": "x"}]}'])
def test_names_the_file_when_it_is_malformed(tmp_path: Path, text: str) -> None:
    _write(tmp_path, "a", text, 1000)
    with pytest.raises(BenchmarkError, match=r"a/timings\.json must list components"):
        read_timings(tmp_path)


def test_says_so_when_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="Received: no file"):
        read_timings(tmp_path)


def test_prints_what_is_between_components_when_they_are_summed() -> None:
    console = Console(record=True, width=80)
    timings = [Timing("Trainer", 5.0, False), Timing("Pusher", 0.5, True)]
    print_usage(console, timings, Usage(0, 7.0, 3 * 2**29))
    text = console.export_text()
    assert "(reused)" in text
    assert " 1.5 " in text  # 7.0 - 5.0 - 0.5
    assert "Peak memory: 1.50 GiB" in text  # 3 * 2^29 bytes
