import re
from typing import Any

import pytest

from components.card_page import render_page


def report(metrics: dict[str, Any], thresholds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "run_id": "run",
        "decision": "refused",
        "reasons": [],
        "pushed_path": None,
        "pushed_version": None,
        "baseline": {"source": "most_popular", "reason": ""},
        "thresholds": thresholds,
        "metrics": metrics,
        "serving_gate": {"passed": True, "report": {}},
        "servable": {},
        "data": {"counts": {}, "rejected": {}},
    }


def text_of(metrics: dict[str, Any], thresholds: list[dict[str, Any]]) -> str:
    page = render_page(report(metrics, thresholds), [], "")
    body = page[page.index("<body>") :]
    return " ".join(re.sub("<[^>]+>", " ", body).split())


def users(count: float) -> dict[str, Any]:
    return {"candidate": {"example_count": count}}


@pytest.mark.parametrize(
    ("metric", "kind", "bound", "words"),
    [
        ("mrr", "floor", 0.1, "✓ at least 0.1"),
        ("exposure_gini@10", "ceiling", 0.9999, "✓ at most 0.9999"),
        ("mrr", "max_drop", -0.01, "✓ change at least -0.01"),
        ("rating_rmse", "max_relative_drop", 0.05, "✓ change at most +0.05 of the baseline"),
    ],
)
def test_bound_is_in_few_words_when_it_stands_beside_its_metric(
    metric: str, kind: str, bound: float, words: str
) -> None:
    threshold = {"metric": metric, "kind": kind, "bound": bound, "passed": True}
    assert words in text_of({"overall": {"candidate": {metric: 0.5}}}, [threshold])


def test_largest_groups_are_shown_when_an_attribute_has_many_values() -> None:
    metrics = {"overall": {"candidate": {}}}
    metrics |= {f"user_attribute_home_town=t{n}": users(n) for n in range(1, 13)}
    text = text_of(metrics, [])
    # Ten of twelve groups, in the order of the report.
    shown = " ".join(f"t{n} {n} – – – – – – – –" for n in range(3, 13))
    assert f"home town {shown} 2 smaller groups: see metrics.json" in text


def test_slices_come_by_feature_when_there_are_several() -> None:
    metrics = {"overall": {"candidate": {}}}
    metrics |= {"user_activity=high": users(5), "user_activity=low": users(7)}
    metrics |= {"user_attribute_a=x=y": users(12)}
    text = text_of(metrics, [])
    numbers = "– – – – – – – –"
    assert f"user activity high 5 {numbers} low 7 {numbers} a x=y 12 {numbers}" in text
