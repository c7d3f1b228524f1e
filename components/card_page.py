"""The model card as one self-contained HTML page."""

import dataclasses
import pathlib
from typing import Any

import jinja2

from components.card_report import PUSHED, checks
from components.card_samples import SampleUser
from components.evaluation import BASELINE, CANDIDATE, USERS_METRIC
from components.evaluation_results import OVERALL
from models import features
from models.metrics import names
from models.metrics.group_gap import MIN_GROUP_USERS

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_MOST_POPULAR = {
    names.NDCG_AT_10: names.POPULAR_NDCG_AT_10,
    names.RECALL_AT_100: names.POPULAR_RECALL_AT_100,
}
_SLICE_METRICS = (
    names.NDCG_AT_10,
    names.RECALL_AT_100,
    names.CATALOGUE_COVERAGE_AT_10,
    names.PERSONALIZATION_AT_10,
)
# Of an attribute with many values the page shows the largest groups; metrics.json has them all.
_SHOWN_GROUPS = 10
_MISSING = "–"


@dataclasses.dataclass(frozen=True)
class SliceGroup:
    """What the users were divided by, and the groups that this gave."""

    feature: str
    slices: list[tuple[str, str]]  # slice as in the report, value of the feature
    left_out: int  # smaller groups that are not shown


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
    environment.filters["bound"] = _bound
    return environment.get_template("model_card.html").render(
        report=report,
        pushed=report["decision"] == PUSHED,
        metric_groups=_metric_groups(report),
        slice_groups=_slice_groups(report),
        slice_metrics=_SLICE_METRICS,
        min_group_users=MIN_GROUP_USERS,
        latency=report["serving_gate"]["report"].get("latency", {}),
        checks=checks(report["serving_gate"]["report"]),
        samples=samples,
        samples_problem=samples_problem,
    )


def _metric_groups(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Returns title to rows; what is measured of most popular stands beside its metric."""
    overall = report["metrics"].get(OVERALL, {})
    candidate = overall.get(CANDIDATE, {})
    shown = [name for name in candidate if name not in _MOST_POPULAR.values()]
    return {
        title: [
            {
                "name": name,
                "candidate": candidate[name],
                "baseline": overall.get(BASELINE, {}).get(name),
                "most_popular": candidate.get(_MOST_POPULAR.get(name, "")),
                "lower_is_better": names.lower_is_better(name),
                "thresholds": [row for row in report["thresholds"] if row["metric"] == name],
            }
            for name in group
        ]
        for title, group in names.grouped(shown).items()
    }


def _bound(threshold: dict[str, Any]) -> str:
    """Says a bound in a few words; its sentence is beside it in `metrics.json`."""
    bound, kind = threshold["bound"], threshold["kind"]
    if kind == "floor":
        return f"at least {bound:g}"
    if kind == "ceiling":
        return f"at most {bound:g}"
    limit = "at most" if names.lower_is_better(threshold["metric"]) else "at least"
    unit = " of the baseline's" if kind == "max_relative_drop" else ""
    return f"change {limit} {bound:+g}{unit}"


def _slice_groups(report: dict[str, Any]) -> list[SliceGroup]:
    values: dict[str, list[tuple[str, str]]] = {}
    for name in report["metrics"]:
        if name != OVERALL:
            feature, _, value = name.partition("=")
            title = feature.removeprefix(features.USER_ATTRIBUTE_PREFIX).replace("_", " ")
            values.setdefault(title, []).append((name, value))

    def users(slice_name: str) -> float:
        return float(report["metrics"][slice_name].get(CANDIDATE, {}).get(USERS_METRIC, 0.0))

    groups = []
    for title, slices in values.items():
        largest = sorted(slices, key=lambda named: -users(named[0]))[:_SHOWN_GROUPS]
        shown = [named for named in slices if named in largest]
        groups.append(SliceGroup(title, shown, len(slices) - len(shown)))
    return groups


def _number(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.4f}"
