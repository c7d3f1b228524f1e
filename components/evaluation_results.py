"""What the Evaluator found, in plain words and numbers."""

import dataclasses
import json
import math

import tensorflow_model_analysis as tfma

from components.evaluation import BASELINE, CANDIDATE
from models.metrics import names

OVERALL = "overall"

Metrics = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One bound and whether the candidate kept it."""

    metric: str
    kind: str  # floor, ceiling, max_drop or max_relative_drop
    value: float  # the metric; for drops, the change from the baseline
    bound: float
    passed: bool

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        if math.isnan(self.value):
            return f"{self.metric} could not be measured."
        ending = "which it is." if self.passed else "which it is not."
        if self.kind == "floor":
            return (
                f"{self.metric} is {self.value:.4f}; it must be at least {self.bound:g}, {ending}"
            )
        if self.kind == "ceiling":
            return f"{self.metric} is {self.value:.4f}; it must be at most {self.bound:g}, {ending}"
        limit = "at most" if self.metric in names.LOWER_IS_BETTER else "at least"
        unit = " of the baseline's value" if self.kind == "max_relative_drop" else ""
        return (
            f"{self.metric} differs from the baseline by {self.value:+.4f}{unit}; "
            f"that must be {limit} {self.bound:+g}, {ending}"
        )


@dataclasses.dataclass(frozen=True)
class EvaluationResults:
    """All that the Evaluator measured and judged."""

    metrics: dict[str, dict[str, Metrics]]  # by slice, then by model: candidate, baseline
    verdicts: list[Verdict]
    passed: bool  # TFMA's own decision


def read_evaluation(path: str) -> EvaluationResults:
    """Reads the output of TFX's Evaluator.

    Args:
        path: the evaluation artifact's folder.
    """
    metrics: dict[str, dict[str, Metrics]] = {}
    for model_name in (CANDIDATE, BASELINE):
        result = tfma.load_eval_result(path, model_name=model_name)
        for slice_key, values in sorted(result.slicing_metrics, key=lambda item: str(item[0])):
            by_model = metrics.setdefault(_slice_name(slice_key), {})
            # No multi-output model and no sub-keys: both levels have the empty name alone.
            by_model[model_name] = {
                name: float(value["doubleValue"])
                for name, value in values[""][""].items()
                if "doubleValue" in value
            }
    overall = metrics.get(OVERALL, {})
    return EvaluationResults(
        metrics=metrics,
        verdicts=_verdicts(result.config, overall.get(CANDIDATE, {}), overall.get(BASELINE, {})),
        passed=tfma.load_validation_result(path).validation_ok,
    )


def _slice_name(slice_key: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in slice_key) or OVERALL


def _verdicts(config: tfma.EvalConfig, candidate: Metrics, baseline: Metrics) -> list[Verdict]:
    """Judges each bound by itself, as TFMA does; TFMA keeps the failed ones alone."""
    nan = float("nan")
    verdicts = []
    for metric in config.metrics_specs[0].metrics:
        for sliced in metric.per_slice_thresholds:
            name = json.loads(metric.config)["name"]
            value = candidate.get(name, nan)
            bounds = sliced.threshold.value_threshold
            if bounds.HasField("lower_bound"):
                bound = bounds.lower_bound.value
                verdicts.append(Verdict(name, "floor", value, bound, value >= bound))
            if bounds.HasField("upper_bound"):
                bound = bounds.upper_bound.value
                verdicts.append(Verdict(name, "ceiling", value, bound, value <= bound))
            change = sliced.threshold.change_threshold
            difference = candidate.get(f"{name}_diff", nan)
            lower_is_better = change.direction == tfma.MetricDirection.LOWER_IS_BETTER
            if change.HasField("absolute"):
                bound = change.absolute.value
                kept = difference <= bound if lower_is_better else difference >= bound
                verdicts.append(Verdict(name, "max_drop", difference, bound, kept))
            if change.HasField("relative"):
                bound = change.relative.value
                before = baseline.get(name, nan)
                share = difference / before if before else nan
                kept = share <= bound if lower_is_better else share >= bound
                verdicts.append(Verdict(name, "max_relative_drop", share, bound, kept))
    return verdicts
