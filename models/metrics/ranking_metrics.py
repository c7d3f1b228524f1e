"""TFMA metrics of ranked lists, averaged over users.

TFMA finds them by class name and module. Each reads a list output of the `evaluate` signature
(`output`, the recommended list unless told otherwise) against the label, the items the user chose.
"""

import functools

import tensorflow_model_analysis as tfma

from models import contract
from models.metrics import inputs, names, ranking
from models.metrics.user_mean import user_mean_computations


class RecallAtK(tfma.metrics.Metric):
    """Share of a user's chosen items among the first k of the list."""

    def __init__(self, k: int, name: str | None = None, output: str = contract.RECOMMENDED_ITEM_ID):
        """Takes the cut-off, the metric's name (recall@k) and the list to judge."""
        super().__init__(_recall, name=name or f"recall@{inputs.checked_k(k)}", k=k, output=output)


class NDCGAtK(tfma.metrics.Metric):
    """Normalised discounted cumulative gain of the first k, binary relevance."""

    def __init__(self, k: int, name: str | None = None, output: str = contract.RECOMMENDED_ITEM_ID):
        """Takes the cut-off, the metric's name (ndcg@k) and the list to judge."""
        super().__init__(_ndcg, name=name or f"ndcg@{inputs.checked_k(k)}", k=k, output=output)


class HitRateAtK(tfma.metrics.Metric):
    """Share of users with any chosen item among the first k."""

    def __init__(self, k: int, name: str | None = None, output: str = contract.RECOMMENDED_ITEM_ID):
        """Takes the cut-off, the metric's name (hit_rate@k) and the list to judge."""
        super().__init__(
            _hit_rate, name=name or f"hit_rate@{inputs.checked_k(k)}", k=k, output=output
        )


class MeanReciprocalRank(tfma.metrics.Metric):
    """One over the place of the first chosen item in the whole list, 0 without any."""

    def __init__(self, name: str = names.MRR, output: str = contract.RECOMMENDED_ITEM_ID):
        """Takes the metric's name and the list to judge."""
        super().__init__(_mrr, name=name, output=output)


class NDCGLiftAtK(tfma.metrics.Metric):
    """NDCG of the recommended list less that of the most popular items.

    Both lists come from the same signature call, so "better than most popular" is a threshold on
    one value, whatever the baseline model is.
    """

    def __init__(self, k: int, name: str | None = None):
        """Takes the cut-off and the metric's name (ndcg@k_lift_over_popular)."""
        super().__init__(
            _ndcg_lift, name=name or f"ndcg@{inputs.checked_k(k)}_lift_over_popular", k=k
        )


# TFMA reads the argument names of these functions to know what to pass.
def _recall(
    name: str, k: int, output: str, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return user_mean_computations(
        name, model_names, functools.partial(_user_recall, k=k, output=output)
    )


def _ndcg(
    name: str, k: int, output: str, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return user_mean_computations(
        name, model_names, functools.partial(user_ndcg, k=k, output=output)
    )


def _hit_rate(
    name: str, k: int, output: str, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return user_mean_computations(
        name, model_names, functools.partial(_user_hit, k=k, output=output)
    )


def _mrr(
    name: str, output: str, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return user_mean_computations(
        name, model_names, functools.partial(_user_reciprocal_rank, output=output)
    )


def _ndcg_lift(
    name: str, k: int, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return user_mean_computations(name, model_names, functools.partial(_user_ndcg_lift, k=k))


def _ranks(
    element: tfma.metrics.StandardMetricInputs, model_name: str, output: str
) -> tuple[list[int], int]:
    chosen = inputs.chosen_items(element, model_name)
    return ranking.hit_ranks(inputs.item_list(element, model_name, output), chosen), len(chosen)


def _user_recall(
    element: tfma.metrics.StandardMetricInputs, model_name: str, k: int, output: str
) -> float | None:
    ranks, chosen_count = _ranks(element, model_name, output)
    return ranking.recall(ranks, chosen_count, k) if chosen_count else None


def user_ndcg(
    element: tfma.metrics.StandardMetricInputs, model_name: str, k: int, output: str
) -> float | None:
    """Returns nDCG of the first k of a list output for one user, None if they chose nothing."""
    ranks, chosen_count = _ranks(element, model_name, output)
    return ranking.ndcg(ranks, chosen_count, k) if chosen_count else None


def _user_hit(
    element: tfma.metrics.StandardMetricInputs, model_name: str, k: int, output: str
) -> float | None:
    ranks, chosen_count = _ranks(element, model_name, output)
    return ranking.hit(ranks, k) if chosen_count else None


def _user_reciprocal_rank(
    element: tfma.metrics.StandardMetricInputs, model_name: str, output: str
) -> float | None:
    ranks, chosen_count = _ranks(element, model_name, output)
    return ranking.reciprocal_rank(ranks) if chosen_count else None


def _user_ndcg_lift(
    element: tfma.metrics.StandardMetricInputs, model_name: str, k: int
) -> float | None:
    recommended = user_ndcg(element, model_name, k, contract.RECOMMENDED_ITEM_ID)
    popular = user_ndcg(element, model_name, k, contract.POPULAR_ITEM_ID)
    return None if recommended is None or popular is None else recommended - popular
