"""What the Evaluator measures and judges, as a TFMA configuration."""

import json
from typing import Literal

import tensorflow_model_analysis as tfma

from components.gate_options import GateOptions
from models import contract, features
from models.metrics import names

BASELINE = tfma.BASELINE_KEY
CANDIDATE = tfma.CANDIDATE_KEY
USERS_METRIC = "example_count"  # TFMA's own: one example a user

_POPULAR = {"output": contract.POPULAR_ITEM_ID}
_RANKING = "models.metrics.ranking_metrics"
# Metric name: module, class, parameters.
_METRICS: dict[str, tuple[str, str, dict[str, object]]] = {
    names.RECALL_AT_10: (_RANKING, "RecallAtK", {"k": 10}),
    names.RECALL_AT_50: (_RANKING, "RecallAtK", {"k": 50}),
    names.RECALL_AT_100: (_RANKING, "RecallAtK", {"k": 100}),
    names.NDCG_AT_10: (_RANKING, "NDCGAtK", {"k": 10}),
    names.MRR: (_RANKING, "MeanReciprocalRank", {}),
    names.HIT_RATE_AT_10: (_RANKING, "HitRateAtK", {"k": 10}),
    names.CATALOGUE_COVERAGE_AT_10: (
        "models.metrics.coverage",
        "CatalogueCoverageAtK",
        {"k": 10},
    ),
    names.RATING_RMSE: ("models.metrics.rating", "RatingRMSE", {}),
    names.POPULAR_NDCG_AT_10: (_RANKING, "NDCGAtK", {"k": 10, **_POPULAR}),
    names.POPULAR_RECALL_AT_100: (_RANKING, "RecallAtK", {"k": 100, **_POPULAR}),
    names.NDCG_AT_10_LIFT: (_RANKING, "NDCGLiftAtK", {"k": 10}),
}


def eval_config(
    options: GateOptions, feedback: Literal["explicit", "implicit"] = "explicit"
) -> tfma.EvalConfig:
    """Returns what TFX's Evaluator needs to measure and to judge a candidate.

    Give the Evaluator the examples of the queries split (`example_splits`) and a baseline model.

    Args:
        options: the bounds.
        feedback: metrics of ratings, and bounds on them, are left out for implicit feedback.

    Raises:
        ValueError: if no bound is left: TFX then writes no blessing, and nothing would be pushed.
    """
    # Two specs under TFMA's own names: with a single unnamed one TFX would copy the candidate's,
    # and with a baseline artifact absent it drops the second.
    model_specs = [
        tfma.ModelSpec(
            name=name,
            signature_name=contract.EVALUATE,
            label_key=features.CHOSEN_ITEM_ID,
            is_baseline=name == BASELINE,
        )
        for name in (CANDIDATE, BASELINE)
    ]
    metrics = [tfma.MetricConfig(class_name="ExampleCount")]
    for name, (module, class_name, parameters) in _METRICS.items():
        if feedback == "implicit" and name in names.EXPLICIT_ONLY:
            continue
        metrics.append(
            tfma.MetricConfig(
                class_name=class_name,
                module=module,
                config=json.dumps({**parameters, "name": name}),
                per_slice_thresholds=_thresholds(name, options),
            )
        )
    if not options.judges(feedback):
        raise ValueError(
            f"The gate needs a bound on at least one metric for {feedback} feedback. "
            "Received none. Set floors, ceilings, max_drop, max_relative_drop or min_lift."
        )
    return tfma.EvalConfig(
        model_specs=model_specs,
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
        slicing_specs=[
            tfma.SlicingSpec(),
            tfma.SlicingSpec(feature_keys=[features.USER_ACTIVITY]),
            tfma.SlicingSpec(feature_keys=[features.USER_TASTE]),
        ],
    )


def _thresholds(name: str, options: GateOptions) -> list[tfma.PerSliceMetricThreshold]:
    value = _value_threshold(name, options)
    change = _change_threshold(name, options)
    if value is None and change is None:
        return []
    # MetricConfig.threshold, which looks like the overall bound, holds for every slice: a handful
    # of users would then decide.
    return [
        tfma.PerSliceMetricThreshold(
            slicing_specs=[tfma.SlicingSpec()],
            threshold=tfma.MetricThreshold(value_threshold=value, change_threshold=change),
        )
    ]


def _value_threshold(name: str, options: GateOptions) -> tfma.GenericValueThreshold | None:
    lower = options.floors.get(name)
    if name == names.NDCG_AT_10_LIFT and options.min_lift is not None:
        lower = options.min_lift if lower is None else max(lower, options.min_lift)
    upper = options.ceilings.get(name)
    if lower is None and upper is None:
        return None
    threshold = tfma.GenericValueThreshold()
    if lower is not None:
        threshold.lower_bound.value = lower
    if upper is not None:
        threshold.upper_bound.value = upper
    return threshold


def _change_threshold(name: str, options: GateOptions) -> tfma.GenericChangeThreshold | None:
    absolute = options.max_drop.get(name)
    relative = options.max_relative_drop.get(name)
    if absolute is None and relative is None:
        return None
    # TFMA's change is candidate less baseline: a drop is negative where higher is better.
    sign = 1.0 if name in names.LOWER_IS_BETTER else -1.0
    threshold = tfma.GenericChangeThreshold(
        direction=tfma.MetricDirection.LOWER_IS_BETTER
        if name in names.LOWER_IS_BETTER
        else tfma.MetricDirection.HIGHER_IS_BETTER
    )
    if absolute is not None:
        threshold.absolute.value = sign * absolute
    if relative is not None:
        # A baseline of exactly 0 has no relative change: TFMA then refuses the candidate.
        threshold.relative.value = sign * relative
    return threshold
