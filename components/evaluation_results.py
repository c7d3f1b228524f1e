"""What the Evaluator found, in plain words and numbers."""

import dataclasses
import json
import math
from collections.abc import Iterator

import tensorflow_model_analysis as tfma

from components.evaluation import BASELINE, CANDIDATE, JUDGED
from models.metrics import names

OVERALL = "overall"

Metrics = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One bound and whether the candidate kept it."""

    metric: str
    kind: str  # floor, ceiling, max_drop or max_relative_drop
    value: float  # the metric; for drops, the change from the baseline; NaN if not measured
    bound: float
    passed: bool

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        if math.isnan(self.value):
            ending = ", so it is not judged." if self.passed else "."
            return f"{self.metric} could not be measured{ending}"
        ending = "which it is." if self.passed else "which it is not."
        if self.kind == "floor":
            return (
                f"{self.metric} is {self.value:.4f}; it must be at least {self.bound:g}, {ending}"
            )
        if self.kind == "ceiling":
            return f"{self.metric} is {self.value:.4f}; it must be at most {self.bound:g}, {ending}"
        limit = "at most" if names.lower_is_better(self.metric) else "at least"
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
    verdicts = _verdicts(result.config, overall.get(CANDIDATE, {}), overall.get(BASELINE, {}))
    return EvaluationResults(
        metrics={
            slice_name: {model: _without_twins(values) for model, values in by_model.items()}
            for slice_name, by_model in metrics.items()
        },
        verdicts=verdicts,
        passed=tfma.load_validation_result(path).validation_ok,
    )


def _without_twins(metrics: Metrics) -> Metrics:
    return {
        name: value
        for name, value in metrics.items()
        if not name.removesuffix(names.CHANGE_SUFFIX).endswith(JUDGED)
    }


def _slice_name(slice_key: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in slice_key) or OVERALL


def _verdicts(config: tfma.EvalConfig, candidate: Metrics, baseline: Metrics) -> list[Verdict]:
    """Judges each bound by itself, as TFMA does; TFMA keeps the failed ones alone."""
    verdicts = []
    for metric in config.metrics_specs[0].metrics:
        for sliced in metric.per_slice_thresholds:
            judged = json.loads(metric.config)["name"]
            name = judged.removesuffix(JUDGED)
            for kind, bound, lower_is_better in _bounds(sliced.threshold):
                value = _value(judged, kind, candidate, baseline)
                verdicts.append(
                    Verdict(
                        name,
                        kind,
                        _value(name, kind, candidate, baseline),
                        bound,
                        value <= bound if lower_is_better else value >= bound,
                    )
                )
    return verdicts


def _bounds(threshold: tfma.MetricThreshold) -> Iterator[tuple[str, float, bool]]:
    """Yields kind, bound and whether a value must not be above it."""
    value, change = threshold.value_threshold, threshold.change_threshold
    lower_is_better = change.direction == tfma.MetricDirection.LOWER_IS_BETTER
    if value.HasField("lower_bound"):
        yield "floor", value.lower_bound.value, False
    if value.HasField("upper_bound"):
        yield "ceiling", value.upper_bound.value, True
    if change.HasField("absolute"):
        yield "max_drop", change.absolute.value, lower_is_better
    if change.HasField("relative"):
        yield "max_relative_drop", change.relative.value, lower_is_better


def _value(name: str, kind: str, candidate: Metrics, baseline: Metrics) -> float:
    """Returns what a bound of a kind is on; NaN where it was not measured."""
    nan = float("nan")
    if kind in ("floor", "ceiling"):
        return candidate.get(name, nan)
    difference = candidate.get(name + names.CHANGE_SUFFIX, nan)
    if kind == "max_drop":
        return difference
    before = baseline.get(name, nan)
    return difference / before if before else nan
