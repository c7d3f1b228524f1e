"""TFMA metrics of one user's list by itself, whatever they then chose; averaged over users."""

import functools

import numpy as np
import tensorflow_model_analysis as tfma

from models import contract
from models.metrics import inputs, names
from models.metrics.user_mean import user_mean_computations


class IntraListDiversity(tfma.metrics.Metric):
    """Mean cosine distance between the items in the first ten of a list, from 0 to 2.

    Only the model knows where its items lie, so the distance comes with its outputs.

    Source: Ziegler et al. 2005, doi:10.1145/1060745.1060754.
    """

    def __init__(self, name: str = names.INTRA_LIST_DIVERSITY_AT_10):
        """Takes the metric's name."""
        super().__init__(_diversity, name=name)


class NoveltyAtK(tfma.metrics.Metric):
    """Mean self-information of the first k, in bits: how unlikely users are to know an item.

    An item's is -log2 of its share of the training interactions. An item without any is as novel
    as one with a single interaction, the most that these data can tell apart. Users with an empty
    list are left out.

    Source: Zhou et al. 2010, doi:10.1073/pnas.1000488107.
    """

    def __init__(self, k: int, name: str | None = None):
        """Takes the cut-off and the metric's name (novelty@k)."""
        super().__init__(_novelty, name=name or f"novelty@{inputs.checked_k(k)}", k=k)


# TFMA reads the argument names of these functions to know what to pass.
def _diversity(name: str, model_names: list[str] | None = None) -> tfma.metrics.MetricComputations:
    return user_mean_computations(name, model_names, _user_diversity)


def _novelty(
    name: str, k: int, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return user_mean_computations(name, model_names, functools.partial(_user_novelty, k=k))


def _user_diversity(element: tfma.metrics.StandardMetricInputs, model_name: str) -> float:
    return float(inputs.output(element, model_name, contract.INTRA_LIST_DISTANCE)[0])


def _user_novelty(
    element: tfma.metrics.StandardMetricInputs, model_name: str, k: int
) -> float | None:
    ranked = inputs.item_list(element, model_name, contract.RECOMMENDED_ITEM_ID)[:k]
    counts = inputs.output(element, model_name, contract.RECOMMENDED_INTERACTIONS)[:k]
    total = float(inputs.output(element, model_name, contract.TOTAL_INTERACTIONS)[0])
    counts = counts[[item != b"" for item in ranked]]
    if not counts.size or total < 1.0:
        return None
    return float(np.mean(np.log2(total) - np.log2(np.maximum(counts, 1.0))))
