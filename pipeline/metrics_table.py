"""The closing table of a run: its metrics by group, beside the baseline's, with their bounds."""

from typing import Any

from rich.table import Table
from rich.text import Text

from models.metrics import names

OVERALL = "overall"
_MISSING = "–"


def metrics_table(report: dict[str, Any]) -> Table:
    """Returns a table of what was measured over all users.

    Args:
        report: what the run's metrics.json holds.

    Returns:
        A title and a row a metric for each group of metrics; a metric that has a bound has a row
        even where it could not be measured.
    """
    table = Table(title="Metrics over all users with held-out items", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for column in ("model", f"baseline ({report['baseline']['source']})"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("bounds")
    overall = report["metrics"][OVERALL]
    candidate, baseline = overall["candidate"], overall.get("baseline", {})
    bounds = _bounds(report["thresholds"])
    for title, group in names.grouped({*candidate, *bounds}).items():
        table.add_section()
        table.add_row(Text(title, style="bold"))
        for metric in group:
            table.add_row(
                metric,
                _number(candidate.get(metric)),
                _number(baseline.get(metric)),
                Text("; ".join(bounds.get(metric, []))),
            )
    return table


def _bounds(thresholds: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Returns what is to be said of each metric's bounds."""
    bounds: dict[str, list[str]] = {}
    for threshold in thresholds:
        verdict = "ok" if threshold["passed"] else "FAILED"
        if threshold["value"] is None and threshold["passed"]:
            verdict = "not measured"
        sentence = f"{threshold['kind'].replace('_', ' ')} {threshold['bound']:g}: {verdict}"
        bounds.setdefault(threshold["metric"], []).append(sentence)
    return bounds


def _number(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.4f}"
