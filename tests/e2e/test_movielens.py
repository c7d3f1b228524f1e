"""Real data through the data components; the whole run on it takes minutes, and is a benchmark."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Where `marquee download ml-latest-small --out data/ml-latest-small` puts it.
DOWNLOADED = Path(__file__).parents[2] / "data" / "ml-latest-small"
DATA = Path(os.environ.get("MARQUEE_MOVIELENS") or DOWNLOADED)

pytestmark = pytest.mark.skipif(
    not (DATA / "ratings.csv").is_file(),
    reason=f"no ratings.csv in {DATA}; set MARQUEE_MOVIELENS to MovieLens' ml-latest-small",
)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output of a run that was stopped behind the data gate."""
    folder = tmp_path_factory.mktemp("movielens") / "out"
    command = [sys.executable, "-m", "pipeline", "run", "--data", str(DATA), "--output"]
    process = subprocess.Popen(
        [*command, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if "DataGate" in line:
                break
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "DataGate" in shown[-1], "".join(shown)
    assert "failed" not in shown[-1]
    return folder


def test_accepts_every_row_when_the_data_is_movielens(output):
    (file,) = output.glob("artifacts/InteractionExampleGen/rejected/*/summary.json")
    summary = json.loads(file.read_text())
    # As the data set's README counts them: ratings, users and movies.
    assert (summary["rows_read"], summary["users"], summary["items"]) == (100_836, 610, 9_742)
    assert summary["rows_accepted"] == 100_836
    assert summary["rows_rejected"] == {}


def test_holds_out_a_twentieth_of_each_user_when_split_by_time(output):
    (file,) = output.glob("artifacts/InteractionExampleGen/rejected/*/summary.json")
    examples = json.loads(file.read_text())["examples"]
    assert examples["queries"] == examples["users"] == 610
    assert examples["train"] + examples["late"] + examples["eval"] == 100_836
    # A twentieth of each user's interactions; rounding moves it by half of one a user at most.
    assert abs(examples["eval"] / 100_836 - 0.05) < 0.0031


def test_finds_no_anomaly_when_the_data_is_movielens(output):
    (file,) = output.glob("artifacts/DataGate/report/*/report.json")
    assert json.loads(file.read_text())["passed"] is True
