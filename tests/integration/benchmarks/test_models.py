import json
import subprocess
import sys
from pathlib import Path

from pipeline.datasets.synthesize import synthesize


def test_families_are_compared_when_the_graph_has_transformed_the_data(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", users=60, items=150, interactions=3000)
    report, plot = tmp_path / "report.json", tmp_path / "plot.svg"
    command = [sys.executable, "-m", "benchmarks.models", "--no-choices", "--only", "ease"]
    command += ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "out")]
    command += ["--json", str(report), "--plot", str(plot), "--option", "ease.regularization=20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    popular, exact, served = json.loads(report.read_text())["tables"]["Every family"]
    assert popular["name"] == "most-popular"
    # The users' tastes are planted: popularity alone does not find them.
    assert exact["quality"]["ndcg_at_10"] > popular["quality"]["ndcg_at_10"]
    # 150 items have at most as many dimensions: what is served is exact.
    assert served["quality"]["recall_at_100"] > 0.95 * exact["quality"]["recall_at_100"]
    assert "EASE, rank 256 as served" in done.stdout
    assert "<svg" in plot.read_text()
