"""What the Evaluator measures and judges, as a TFMA configuration."""

import json
from collections.abc import Sequence
from typing import Any, Literal

import tensorflow_model_analysis as tfma

from components.gate_options import GateOptions
from models import contract, features
from models.metrics import names

BASELINE = tfma.BASELINE_KEY
CANDIDATE = tfma.CANDIDATE_KEY
USERS_METRIC = "example_count"  # TFMA's own: one example a user
JUDGED = "_judged"  # ends the name of a metric's twin, see `_metric_configs`

_RANKING = "models.metrics.ranking_metrics"
_EXPOSURE = "models.metrics.exposure_metrics"
_LISTS = "models.metrics.list_metrics"
_COLD_ITEMS = "models.metrics.cold_items"
_GAPS = "models.metrics.group_gap"

Parameters = dict[str, Any]
MetricClass = tuple[str, str, Parameters]  # module, class, parameters

_METRICS: dict[str, MetricClass] = {
    names.RECALL_AT_10: (_RANKING, "RecallAtK", {"k": 10}),
    names.RECALL_AT_50: (_RANKING, "RecallAtK", {"k": 50}),
    names.RECALL_AT_100: (_RANKING, "RecallAtK", {"k": 100}),
    names.NDCG_AT_10: (_RANKING, "NDCGAtK", {"k": 10}),
    names.MRR: (_RANKING, "MeanReciprocalRank", {}),
    names.HIT_RATE_AT_10: (_RANKING, "HitRateAtK", {"k": 10}),
    names.POPULAR_NDCG_AT_10: (
        _RANKING,
        "NDCGAtK",
        {"k": 10, "output": contract.POPULAR_ITEM_ID},
    ),
    names.POPULAR_RECALL_AT_100: (
        _RANKING,
        "RecallAtK",
        {"k": 100, "output": contract.POPULAR_ITEM_ID},
    ),
    names.NDCG_AT_10_LIFT: (_RANKING, "NDCGLiftAtK", {"k": 10}),
    names.RATING_RMSE: ("models.metrics.rating", "RatingRMSE", {}),
    names.HISTORY_ONLY_NDCG_AT_10: (
        _RANKING,
        "NDCGAtK",
        {"k": 10, "output": contract.HISTORY_ONLY_ITEM_ID},
    ),
    names.CATEGORIES_ONLY_NDCG_AT_10: (
        _RANKING,
        "NDCGAtK",
        {"k": 10, "output": contract.CATEGORIES_ONLY_ITEM_ID},
    ),
    names.COLD_ITEM_RECALL_AT_100: (_COLD_ITEMS, "ColdItemRecallAtK", {"k": 100}),
    names.CATALOGUE_COVERAGE_AT_10: (_EXPOSURE, "CatalogueCoverageAtK", {"k": 10}),
    names.EXPOSURE_GINI_AT_10: (_EXPOSURE, "ExposureGiniAtK", {"k": 10}),
    names.PERSONALIZATION_AT_10: (_EXPOSURE, "PersonalizationAtK", {"k": 10}),
    names.INTRA_LIST_DIVERSITY_AT_10: (_LISTS, "IntraListDiversity", {}),
    names.NOVELTY_AT_10: (_LISTS, "NoveltyAtK", {"k": 10}),
    names.NDCG_AT_10_GAP_BY_ACTIVITY: (
        _GAPS,
        "NDCGGapAtK",
        {"k": 10, "feature": features.USER_ACTIVITY},
    ),
}


def eval_config(
    options: GateOptions,
    feedback: Literal["explicit", "implicit"] = "explicit",
    attributes: Sequence[str] = (),
) -> tfma.EvalConfig:
    """Returns what TFX's Evaluator needs to measure and to judge a candidate.

    Give the Evaluator the examples of the queries split (`example_splits`) and a baseline model.

    Args:
        options: the bounds.
        feedback: metrics of ratings, and bounds on them, are left out for implicit feedback.
        attributes: names of the user attributes in the configuration. Each is a slice, and has
            its gap in nDCG.

    Raises:
        ValueError: if no bound is left, since TFX then writes no blessing and nothing would be
            pushed, or if a bound is on the gap by an attribute that is not there.
    """
    options.check_attributes(attributes)
    if not options.judges(feedback):
        raise ValueError(
            f"The gate needs a bound on at least one metric for {feedback} feedback. "
            "Received none. Set floors, ceilings, max_drop, max_relative_drop or min_lift."
        )
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
    for name, metric_class in (_METRICS | _attribute_gaps(attributes)).items():
        if feedback == "implicit" and name in names.EXPLICIT_ONLY:
            continue
        metrics += _metric_configs(name, metric_class, _thresholds(name, options), options)
    sliced = [
        features.USER_ACTIVITY,
        features.USER_TASTE,
        *(features.user_attribute(name) for name in attributes),
    ]
    return tfma.EvalConfig(
        model_specs=model_specs,
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=[feature]) for feature in sliced),
        ],
    )


def _attribute_gaps(attributes: Sequence[str]) -> dict[str, MetricClass]:
    return {
        names.gap_by(name): (
            _GAPS,
            "NDCGGapAtK",
            {"k": 10, "feature": features.user_attribute(name)},
        )
        for name in attributes
    }


def _metric_configs(
    name: str,
    metric_class: MetricClass,
    thresholds: list[tfma.PerSliceMetricThreshold],
    options: GateOptions,
) -> list[tfma.MetricConfig]:
    """Returns how to measure a metric, and apart from that how to judge it where that differs.

    TFMA takes a metric that is NaN, or not there, for a broken bound. A metric that the data need
    not have is therefore judged by a twin that has a number in its place.
    """
    if not names.judged_where_measured(name) or not thresholds:
        return [_metric_config(name, metric_class, thresholds)]
    if names.lower_is_better(name):
        unmeasured = max(0.0, options.floors.get(name, 0.0))
    else:
        unmeasured = min(1.0, options.ceilings.get(name, 1.0))
    module, class_name, parameters = metric_class
    kept = {**parameters, "unmeasured": unmeasured}
    return [
        _metric_config(name, metric_class, []),
        _metric_config(name + JUDGED, (module, class_name, kept), thresholds),
    ]


def _metric_config(
    name: str, metric_class: MetricClass, thresholds: list[tfma.PerSliceMetricThreshold]
) -> tfma.MetricConfig:
    module, class_name, parameters = metric_class
    return tfma.MetricConfig(
        class_name=class_name,
        module=module,
        config=json.dumps({**parameters, "name": name}),
        per_slice_thresholds=thresholds,
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
    sign = 1.0 if names.lower_is_better(name) else -1.0
    threshold = tfma.GenericChangeThreshold(
        direction=tfma.MetricDirection.LOWER_IS_BETTER
        if names.lower_is_better(name)
        else tfma.MetricDirection.HIGHER_IS_BETTER
    )
    if absolute is not None:
        threshold.absolute.value = sign * absolute
    if relative is not None:
        # A baseline of exactly 0 has no relative change: TFMA then refuses the candidate.
        threshold.relative.value = sign * relative
    return threshold
