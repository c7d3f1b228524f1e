import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from pipeline import demo

Serve = Callable[[Mapping[str, Mapping[str, Sequence[object]]]], str]


def test_command_is_shown_and_run_when_there_is_a_server(
    serve_answers: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    found: Mapping[str, Sequence[object]] = {
        "item_id": [["a"]] * 3,
        "score": [[0.5]] * 3,
        "source": [["popular"]] * 3,
    }
    described: Mapping[str, Sequence[object]] = {"title": ["An item"], "category": [["c"]]}
    target = serve_answers({"recommend": found, "describe_items": described})
    assert demo.recommend(target) == 0
    out = capfd.readouterr().out
    assert out.startswith(f"$ marquee recommend --target {target} --user 1 --user 2 --user 3\n")
    assert out.count("An item") == 3


def test_server_is_quoted_when_nothing_was_pushed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.demo", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        timeout=120,
    )
    assert done.returncode == 1
    assert f"--model-dir must be a folder. Received: {tmp_path}/serving/recommender" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "logs" / "serve.log").exists()
