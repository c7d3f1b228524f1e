import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from typer.testing import CliRunner

from pipeline.cli import app

Serve = Callable[[Mapping[str, Mapping[str, Sequence[object]]]], str]

COMMANDS = ["", "synthesize", "download", "run", "serve", "recommend", "similar"]
LISTS_IMPORTS = """
import sys
from pipeline.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "tfx", "apache_beam", "scann", "numpy", "pyarrow", "grpc"}
    print("heavy:", sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def marquee(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_imports_nothing_heavy_when_asked_for_help(command: str) -> None:
    arguments = [*command.split(), "--help"]
    done = subprocess.run(
        [sys.executable, "-c", LISTS_IMPORTS, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: -c {command}".rstrip())
    assert done.stderr == "heavy: []\n"


def test_lists_every_command_when_asked_for_help() -> None:
    helped = marquee("--help").stdout
    assert [name for name in COMMANDS if f"  {name} " not in helped and name] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--colour"],
        ["run", "--set"],
        ["paint"],
        ["synthesize"],
        ["synthesize", "--out", "x", "--users", "many"],
        ["recommend"],
        ["recommend", "--user", "1", "--k", "ten"],
        ["serve"],
    ],
)
def test_ends_with_2_when_arguments_are_wrong(arguments: list[str]) -> None:
    done = marquee(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "retrieval.epochs=3"], "retrieval.epochs is no known key"),
        (["--set", "retrieval.max_epochs=none"], "retrieval.max_epochs: "),
        (["--config", "{folder}/none.yaml"], "--config {folder}/none.yaml: cannot be read"),
        (["--data", "{folder}/none"], "--data {folder}/none: a folder was expected"),
        (["--data", "{folder}", "--output", "{folder}/file"], "--output {folder}/file: "),
        (["--data", "{folder}", "--output", "/proc/none"], "--output /proc/none: "),
    ],
)
def test_ends_with_2_and_one_line_when_a_run_cannot_start(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").touch()
    done = marquee(
        "run",
        "--output",
        str(tmp_path / "out"),
        *(text.format(folder=tmp_path) for text in arguments),
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert message.format(folder=tmp_path) in done.stderr


def test_writes_data_and_says_what_when_told_to_synthesize(tmp_path: Path) -> None:
    sizes = ["--users", "5", "--items", "20", "--interactions", "30"]
    done = marquee("synthesize", "--out", str(tmp_path), *sizes)
    assert done.returncode == 0
    assert "30 ratings by 5 users of 20 items (" in done.stdout
    assert len((tmp_path / "ratings.csv").read_text().splitlines()) == 31  # with the header


def test_ends_with_2_and_one_line_when_data_cannot_be_made(tmp_path: Path) -> None:
    done = marquee("synthesize", "--out", str(tmp_path), "--users", "0")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Received: 0" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--colour"], "No such option: --colour. See python -m pipeline run --help."),
        (["recommend"], "Missing option '--user'. See python -m pipeline recommend --help."),
        (["bogus"], "No such command 'bogus'. See python -m pipeline --help."),
    ],
)
def test_ends_with_2_and_one_line_when_arguments_are_wrong(
    arguments: list[str], message: str
) -> None:
    done = marquee(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"{message}\n"


RAISES = """
import sys
from components.errors import GateError
from pipeline import cli, run_command

def refuse(*arguments):
    raise GateError("the index is\\nbroken")

run_command.run_command = refuse
sys.argv = ["marquee", "run"]
cli.main()
"""


def test_ends_with_3_when_a_gate_refuses_by_an_error() -> None:
    done = subprocess.run([sys.executable, "-c", RAISES], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "the index is broken\n")


FOUND = {"item_id": [["7"]], "score": [[0.5]], "source": [["neighbours"]]}
DESCRIBED: Mapping[str, Sequence[object]] = {"title": ["An item"], "category": [["c"]]}


def test_asks_with_the_context_when_any_of_it_is_given(
    serve_answers: Serve, asked: list[predict_pb2.PredictRequest]
) -> None:
    # As many items as the context names, for the canned description serves for both.
    found: Mapping[str, Sequence[object]] = {
        "item_id": [["a", "b", "c", "d", "e"]],
        "score": [[0.5] * 5],
        "source": [["neighbours"] * 5],
    }
    described = {"title": ["An item"] * 5, "category": [[""]] * 5}
    target = serve_answers({"recommend_with_context": found, "describe_items": described})
    arguments = ["recommend", "--target", target, "--user", "", "--k", "5"]
    arguments += ["--history", "3,2", "--history", "1", "--exclude", "9, 8", "--diversity", "0.5"]
    arguments += ["--exclude-category", "Sad songs", "--exclude-category", "x,"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    for expected in ("For a stranger", "An item", "neighbours"):
        assert expected in done.stdout
    inputs = {name: tf.make_ndarray(value).tolist() for name, value in asked[0].inputs.items()}
    assert inputs == {
        "user_id": [b""],
        "k": 5,
        "history_item_id": [[b"3", b"2", b"1"]],
        "exclude_item_id": [[b"9", b"8"]],
        "exclude_category": [[b"Sad songs", b"x"]],
        "diversity": [0.5],
        "freshness": [-1.0],
    }


@pytest.mark.parametrize("options", [[], ["--history", "", "--exclude", ","]])
def test_asks_plainly_when_nothing_but_the_user_is_given(
    serve_answers: Serve, asked: list[predict_pb2.PredictRequest], options: list[str]
) -> None:
    target = serve_answers({"recommend": FOUND, "describe_items": DESCRIBED})
    done = CliRunner().invoke(app, ["recommend", "--target", target, "--user", "1", *options])
    assert done.exit_code == 0, done.output
    assert set(asked[0].inputs) == {"user_id", "k"}


@pytest.mark.parametrize("strength", ["1.5", "-1", "nan"])
@pytest.mark.parametrize("name", ["diversity", "freshness"])
def test_ends_with_2_when_a_strength_is_out_of_range(name: str, strength: str) -> None:
    # Nobody listens there: it is told before anyone is asked.
    arguments = ["recommend", "--user", "1", "--target", "127.0.0.1:1", f"--{name}", strength]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{name} must be from 0 to 1. Received: {float(strength)}. Give" in done.stderr
    assert done.stderr.count("\n") == 1
