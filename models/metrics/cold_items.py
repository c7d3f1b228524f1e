"""TFMA metric of how well items that nobody has interacted with yet are found."""

import functools

import tensorflow_model_analysis as tfma

from models import contract
from models.metrics import inputs, ranking
from models.metrics.user_mean import UserMeanCombiner, metric_keys, where_unmeasured

# Below any value, and not 0: a baseline of exactly 0 has no relative change to judge.
_BELOW_ANY = 1e-9


class ColdItemRecallAtK(tfma.metrics.Metric):
    """Share of a user's chosen items without training interactions among the first k.

    Averaged over the users who chose such an item; NaN where nobody did, which breaks any bound.
    `unmeasured` is the metric to put bounds on: where nobody did, it is a value that keeps them.
    """

    def __init__(self, k: int, name: str | None = None, unmeasured: float | None = None):
        """Takes the cut-off, the metric's name and what stands for NaN.

        Args:
            k: the cut-off.
            name: the metric's name (cold_item_recall@k).
            unmeasured: the candidate's value where there is none; the baseline's is then next to
                0, so that it does not seem to have been better. None leaves NaN.
        """
        name = name or f"cold_item_recall@{inputs.checked_k(k)}"
        super().__init__(_cold_item_recall, name=name, k=k, unmeasured=unmeasured)


# TFMA reads the argument names of this function to know what to pass.
def _cold_item_recall(
    name: str, k: int, unmeasured: float | None, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    user_value = functools.partial(_user_recall, k=k)
    return [
        tfma.metrics.MetricComputation(
            keys=[key],
            preprocessors=None,
            combiner=UserMeanCombiner(
                key, user_value, where_unmeasured(key, unmeasured, _BELOW_ANY)
            ),
        )
        for key in metric_keys(name, model_names)
    ]


def _user_recall(
    element: tfma.metrics.StandardMetricInputs, model_name: str, k: int
) -> float | None:
    counts = inputs.output(element, model_name, contract.CHOSEN_INTERACTIONS)
    chosen = inputs.labels(element, model_name)
    # Either may be padded further than the other.
    cold = {item for item, count in zip(chosen, counts, strict=False) if item and count == 0.0}
    if not cold:
        return None
    ranked = inputs.item_list(element, model_name, contract.RECOMMENDED_ITEM_ID)
    return ranking.recall(ranking.hit_ranks(ranked, cold), len(cold), k)
