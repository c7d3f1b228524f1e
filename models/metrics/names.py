"""Names of the evaluation's metrics: the one place where they are spelled.

What each is and where it comes from: docs/evaluation.md. This module imports the standard library
alone, so that the configuration is checked without TensorFlow Model Analysis.
"""

from collections.abc import Iterable

RECALL_AT_10 = "recall@10"
RECALL_AT_50 = "recall@50"
RECALL_AT_100 = "recall@100"
NDCG_AT_10 = "ndcg@10"
MRR = "mrr"
HIT_RATE_AT_10 = "hit_rate@10"
POPULAR_NDCG_AT_10 = "popular_ndcg@10"
POPULAR_RECALL_AT_100 = "popular_recall@100"
NDCG_AT_10_LIFT = "ndcg@10_lift_over_popular"

RATING_RMSE = "rating_rmse"  # explicit feedback only

HISTORY_ONLY_NDCG_AT_10 = "history_only_ndcg@10"
CATEGORIES_ONLY_NDCG_AT_10 = "categories_only_ndcg@10"
COLD_ITEM_RECALL_AT_100 = "cold_item_recall@100"  # missing where nobody chose a new item

CATALOGUE_COVERAGE_AT_10 = "catalogue_coverage@10"
EXPOSURE_GINI_AT_10 = "exposure_gini@10"
PERSONALIZATION_AT_10 = "personalization@10"
INTRA_LIST_DIVERSITY_AT_10 = "intra_list_diversity@10"
NOVELTY_AT_10 = "novelty@10"  # bits

# One for the users' activity, and one for each user attribute in the configuration.
ACTIVITY = "activity"
CHANGE_SUFFIX = "_diff"  # of TFMA, after the name of a metric
_GAP_PREFIX = "ndcg@10_gap_by_"
NDCG_AT_10_GAP_BY_ACTIVITY = _GAP_PREFIX + ACTIVITY

EXPLICIT_ONLY = frozenset({RATING_RMSE})

FAIRNESS = "Fairness"
GROUPS: dict[str, tuple[str, ...]] = {
    "Accuracy": (
        RECALL_AT_10,
        RECALL_AT_50,
        RECALL_AT_100,
        NDCG_AT_10,
        MRR,
        HIT_RATE_AT_10,
        POPULAR_NDCG_AT_10,
        POPULAR_RECALL_AT_100,
        NDCG_AT_10_LIFT,
    ),
    "Ratings": (RATING_RMSE,),
    "Cold start": (
        HISTORY_ONLY_NDCG_AT_10,
        CATEGORIES_ONLY_NDCG_AT_10,
        COLD_ITEM_RECALL_AT_100,
    ),
    "Beyond accuracy": (
        CATALOGUE_COVERAGE_AT_10,
        EXPOSURE_GINI_AT_10,
        PERSONALIZATION_AT_10,
        INTRA_LIST_DIVERSITY_AT_10,
        NOVELTY_AT_10,
    ),
    FAIRNESS: (NDCG_AT_10_GAP_BY_ACTIVITY,),
}
ALL_METRICS = tuple(name for group in GROUPS.values() for name in group)


def gap_by(attribute: str) -> str:
    """Returns the name of the gap in nDCG@10 between the values of a user attribute."""
    return _GAP_PREFIX + attribute


def gap_attribute(name: str) -> str | None:
    """Returns the user attribute that a metric is the gap of; None for any other metric."""
    if name == NDCG_AT_10_GAP_BY_ACTIVITY or not name.startswith(_GAP_PREFIX):
        return None
    return name.removeprefix(_GAP_PREFIX)


def judged_where_measured(name: str) -> bool:
    """Tells whether the data need not have the users or items that the metric is measured over.

    Bounds on it then hold only where they do.
    """
    return name == COLD_ITEM_RECALL_AT_100 or name.startswith(_GAP_PREFIX)


def lower_is_better(name: str) -> bool:
    """Tells whether a smaller value of the metric is the better one."""
    return name in (RATING_RMSE, EXPOSURE_GINI_AT_10) or name.startswith(_GAP_PREFIX)


def grouped(measured: Iterable[str]) -> dict[str, list[str]]:
    """Returns the metrics that were measured by group, in the order of the groups.

    Args:
        measured: names; those of no metric here are left out.

    Returns:
        Title to names, without empty groups; gaps between user attributes come after the one of
        activity, by name.
    """
    present = set(measured)
    groups = {}
    for title, names in GROUPS.items():
        found = [name for name in names if name in present]
        if title == FAIRNESS:
            gaps = {name for name in present if gap_attribute(name) is not None}
            # Beside a metric TFMA reports its change from the baseline.
            found += sorted(gaps - {name + CHANGE_SUFFIX for name in present})
        if found:
            groups[title] = found
    return groups
