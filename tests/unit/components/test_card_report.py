import json

import pytest

from components.card_report import Gates, build_report, reasons
from components.evaluation_results import EvaluationResults, Verdict

KEPT = Verdict("mrr", "floor", 0.2, 0.1, True)
BROKEN = Verdict("ndcg@10", "floor", 0.05, 0.1, False)


def gates(**changes: object) -> Gates:
    values: dict[str, object] = {
        "evaluation_passed": True,
        "serving_passed": True,
        "serving_report": {},
        "pushed_path": None,
        "pushed_version": None,
        "baseline_source": "most_popular",
        "baseline_reason": "",
    }
    return Gates(**{**values, **changes})


def test_reason_counts_the_bounds_when_pushed() -> None:
    results = EvaluationResults({}, [KEPT, KEPT], True)
    assert reasons(results, gates(pushed_path="/serving/1")) == [
        "All 2 bounds on the metrics were kept, and the serving gate passed."
    ]


def test_reasons_are_the_broken_bounds_when_evaluation_refuses() -> None:
    results = EvaluationResults({}, [KEPT, BROKEN], False)
    assert reasons(results, gates(evaluation_passed=False)) == [BROKEN.sentence]


def test_reasons_are_the_failed_checks_when_serving_refuses() -> None:
    report = {
        "checks": [
            {"name": "loads", "passed": True, "message": ""},
            {"name": "answers", "passed": False, "message": "too slow"},
        ]
    }
    found = reasons(
        EvaluationResults({}, [KEPT], True), gates(serving_passed=False, serving_report=report)
    )
    assert found == ["Serving gate: answers: too slow"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"evaluation_passed": False}, "The evaluation was not passed."),
        ({"serving_passed": False}, "The serving gate was not passed."),
        ({}, "Both gates were passed, but the Pusher did not push."),
    ],
)
def test_reason_is_general_when_no_gate_tells_more(changes: dict[str, object], reason: str) -> None:
    assert reasons(EvaluationResults({}, [KEPT], True), gates(**changes)) == [reason]


def test_missing_number_is_null_when_written_as_json() -> None:
    verdict = Verdict("mrr", "floor", float("nan"), 0.1, False)
    metrics = {"overall": {"candidate": {"mrr": float("nan")}}}
    report = build_report("r", EvaluationResults(metrics, [verdict], False), gates(), {}, {})
    json.dumps(report, allow_nan=False)
    assert report["metrics"]["overall"]["candidate"]["mrr"] is None
    assert report["thresholds"][0]["value"] is None
    assert report["decision"] == "refused"
