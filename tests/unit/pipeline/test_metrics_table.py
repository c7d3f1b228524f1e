import io
from typing import Any

import pytest
from rich.console import Console

from pipeline.metrics_table import metrics_table


def bound(
    metric: str, kind: str, value: float | None, limit: float, passed: bool
) -> dict[str, Any]:
    return {"metric": metric, "kind": kind, "value": value, "bound": limit, "passed": passed}


REPORT = {
    "baseline": {"source": "most-popular"},
    "metrics": {
        "overall": {
            "candidate": {
                "novelty@10": 9.5,
                "ndcg@10": 0.12,
                "cold_item_recall@100": None,
                "ndcg@10_gap_by_gender": 0.03,
                "ndcg@10_gap_by_activity": 0.2,
                "ndcg@10_diff": 0.02,
            },
            "baseline": {"ndcg@10": 0.1, "novelty@10": None},
        }
    },
    "thresholds": [
        bound("ndcg@10", "floor", 0.12, 0.05, True),
        bound("ndcg@10", "max_drop", 0.02, -0.01, True),
        bound("ndcg@10_gap_by_gender", "ceiling", 0.03, 0.02, False),
        bound("cold_item_recall@100", "floor", None, 0.1, True),
        bound("rating_rmse", "ceiling", None, 1.0, False),
    ],
}


def lines(report: dict[str, Any]) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    console.print(metrics_table(report))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


@pytest.fixture(scope="module")
def printed() -> list[str]:
    return lines(REPORT)


def test_groups_come_one_after_the_other_when_metrics_are_of_several(printed: list[str]) -> None:
    names = [line.split("│")[1].strip() for line in printed if line.startswith("│")]
    assert names == [
        "Accuracy",
        "ndcg@10",
        "Ratings",
        "rating_rmse",
        "Cold start",
        "cold_item_recall@100",
        "Beyond accuracy",
        "novelty@10",
        "Fairness",
        "ndcg@10_gap_by_activity",
        "ndcg@10_gap_by_gender",
    ]
    # A line between two groups, beside the one below the header.
    assert len([line for line in printed if line.startswith("├")]) == 4


def test_bounds_follow_their_metric_when_there_are_any(printed: list[str]) -> None:
    assert "│ ndcg@10 │ 0.1200 │ 0.1000 │ floor 0.05: ok; max drop -0.01: ok │" in printed
    assert "│ ndcg@10_gap_by_gender │ 0.0300 │ – │ ceiling 0.02: FAILED │" in printed


def test_says_not_measured_when_a_bound_had_nothing_to_judge(printed: list[str]) -> None:
    assert "│ cold_item_recall@100 │ – │ – │ floor 0.1: not measured │" in printed
    # Nothing was measured where something had to be: that fails.
    assert "│ rating_rmse │ – │ – │ ceiling 1: FAILED │" in printed


def test_a_dash_stands_for_the_baseline_when_it_has_no_such_metric(printed: list[str]) -> None:
    assert "│ novelty@10 │ 9.5000 │ – │ │" in printed
    overall = {"candidate": {"mrr": 0.5}}  # and there may be no baseline at all
    report = {**REPORT, "metrics": {"overall": overall}, "thresholds": []}
    assert "│ mrr │ 0.5000 │ – │ │" in lines(report)
