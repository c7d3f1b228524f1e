"""The facts of a run, as `metrics.json` holds them and the model card shows them."""

import dataclasses
import math
from typing import Any

from components.evaluation_results import EvaluationResults

PUSHED = "pushed"
REFUSED = "refused"


@dataclasses.dataclass(frozen=True)
class Gates:
    """What became of the candidate."""

    evaluation_passed: bool
    serving_passed: bool
    serving_report: dict[str, Any]  # the serving gate's report.json, {} where there is none
    pushed_path: str | None
    pushed_version: str | None
    baseline_source: str
    baseline_reason: str


def build_report(
    run_id: str,
    results: EvaluationResults,
    gates: Gates,
    data: dict[str, Any],
    servable: dict[str, Any],
) -> dict[str, Any]:
    """Returns what `metrics.json` holds: JSON types alone, null for a number that is missing.

    Args:
        run_id: names the run.
        results: what the Evaluator found.
        gates: what the gates decided.
        data: counts of rows; see `components/model_card.py`.
        servable: what ServableBuilder built and measured, {} where that is not known.
    """
    report = {
        "run_id": run_id,
        "decision": PUSHED if gates.pushed_path else REFUSED,
        "reasons": reasons(results, gates),
        "pushed_path": gates.pushed_path,
        "pushed_version": gates.pushed_version,
        "baseline": {"source": gates.baseline_source, "reason": gates.baseline_reason},
        "evaluation": {"passed": gates.evaluation_passed},
        "thresholds": [
            {**dataclasses.asdict(verdict), "verdict": verdict.sentence}
            for verdict in results.verdicts
        ],
        "metrics": results.metrics,
        "serving_gate": {"passed": gates.serving_passed, "report": gates.serving_report},
        "servable": servable,
        "data": data,
    }
    return _without_nan(report)


def reasons(results: EvaluationResults, gates: Gates) -> list[str]:
    """Says in plain words why the candidate was pushed or refused."""
    if gates.pushed_path:
        return [
            f"All {len(results.verdicts)} bounds on the metrics were kept, "
            "and the serving gate passed."
        ]
    found = [verdict.sentence for verdict in results.verdicts if not verdict.passed]
    if not gates.evaluation_passed and not found:
        found.append("The evaluation was not passed.")
    if not gates.serving_passed:
        failed = [
            f"Serving gate: {check.get('name', 'a check')}: {check.get('message') or 'failed'}"
            for check in checks(gates.serving_report)
            if not check.get("passed")
        ]
        found.extend(failed or ["The serving gate was not passed."])
    return found or ["Both gates were passed, but the Pusher did not push."]


def checks(serving_report: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the serving gate's checks: each with name, passed and message."""
    listed = serving_report.get("checks", [])
    return [check for check in listed if isinstance(check, dict)]


def _without_nan(value: Any) -> Any:
    # NaN is no JSON.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return value
