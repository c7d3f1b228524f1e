"""The model card as one self-contained HTML page."""

import pathlib
from typing import Any

import jinja2

from components.card_report import PUSHED, checks
from components.card_samples import SampleUser
from components.evaluation import BASELINE, CANDIDATE
from components.evaluation_results import OVERALL
from models.metrics import names

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_MOST_POPULAR = {
    names.NDCG_AT_10: names.POPULAR_NDCG_AT_10,
    names.RECALL_AT_100: names.POPULAR_RECALL_AT_100,
}
_SHOWN = tuple(name for name in names.ALL_METRICS if name not in _MOST_POPULAR.values())
_SLICE_METRICS = (names.NDCG_AT_10, names.RECALL_AT_100, names.CATALOGUE_COVERAGE_AT_10)
_MISSING = "–"


def render_page(report: dict[str, Any], samples: list[SampleUser], samples_problem: str) -> str:
    """Returns the page. Whatever comes from data is shown as text, never as markup.

    Args:
        report: what `metrics.json` holds.
        samples: users with their lists.
        samples_problem: why there are none, or "".
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("model_card.html").render(
        report=report,
        pushed=report["decision"] == PUSHED,
        overall_rows=_overall_rows(report),
        slice_names=[name for name in report["metrics"] if name != OVERALL],
        slice_metrics=_SLICE_METRICS,
        latency=report["serving_gate"]["report"].get("latency", {}),
        checks=checks(report["serving_gate"]["report"]),
        samples=samples,
        samples_problem=samples_problem,
    )


def _overall_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    overall = report["metrics"].get(OVERALL, {})
    candidate = overall.get(CANDIDATE, {})
    rows = []
    for name in _SHOWN:
        if name not in candidate:
            continue
        rows.append(
            {
                "name": name,
                "candidate": candidate[name],
                "baseline": overall.get(BASELINE, {}).get(name),
                "most_popular": candidate.get(_MOST_POPULAR.get(name, "")),
                "thresholds": [row for row in report["thresholds"] if row["metric"] == name],
            }
        )
    return rows


def _number(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.4f}"
