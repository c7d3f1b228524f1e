"""TFMA metric of fairness: how far apart groups of users are in what they get."""

from collections.abc import Iterable

import apache_beam as beam
import tensorflow_model_analysis as tfma

from models import contract
from models.metrics import inputs
from models.metrics.ranking_metrics import user_ndcg
from models.metrics.user_mean import metric_keys, where_unmeasured

# Below it a group's mean says more about who is in it than about the recommender: with 20 users
# and a standard deviation of 0.2 a user, which is common for nDCG@10, its error is 0.045.
MIN_GROUP_USERS = 20
LARGEST_GAP = 1.0  # between two means of nDCG

Accumulator = dict[bytes, tuple[float, int]]  # group: sum, users


class NDCGGapAtK(tfma.metrics.Metric):
    """Largest less smallest mean nDCG@k of the groups that a feature of the query divides users in.

    Groups with few users, and users without a value, are left out; NaN where fewer than two groups
    are left. Other values of a feature with several are not looked at. With `unmeasured` it is the
    metric to put bounds on: where there are no two groups, it is a value that keeps them.
    """

    def __init__(
        self,
        k: int,
        feature: str,
        name: str | None = None,
        min_users: int = MIN_GROUP_USERS,
        unmeasured: float | None = None,
    ):
        """Takes what to compare.

        Args:
            k: the cut-off.
            feature: raw feature of the query that names the user's group.
            name: the metric's name (ndcg@k_gap_by_feature).
            min_users: users a group needs to be looked at.
            unmeasured: the candidate's value where there is none; the baseline's is then the
                largest, so that it does not seem to have been better. None leaves NaN.

        Raises:
            ValueError: if k is outside the evaluated lists.
        """
        super().__init__(
            _gap,
            name=name or f"ndcg@{inputs.checked_k(k)}_gap_by_{feature}",
            k=k,
            feature=feature,
            min_users=min_users,
            unmeasured=unmeasured,
        )


# TFMA reads the argument names of this function to know what to pass.
def _gap(
    name: str,
    k: int,
    feature: str,
    min_users: int,
    unmeasured: float | None,
    model_names: list[str] | None = None,
) -> tfma.metrics.MetricComputations:
    return [
        tfma.metrics.MetricComputation(
            keys=[key],
            preprocessors=[tfma.metrics.FeaturePreprocessor(feature_keys=[feature])],
            combiner=GroupGapCombiner(
                key, k, feature, min_users, where_unmeasured(key, unmeasured, LARGEST_GAP)
            ),
        )
        for key in metric_keys(name, model_names)
    ]


class GroupGapCombiner(beam.CombineFn):
    """Averages nDCG for each group."""

    def __init__(
        self,
        key: tfma.metrics.MetricKey,
        k: int,
        feature: str,
        min_users: int,
        without_groups: float,
    ):
        """Takes the metric's key and parameters, and its value without two groups."""
        self._key = key
        self._k = k
        self._feature = feature
        self._min_users = min_users
        self._without_groups = without_groups

    def create_accumulator(self) -> Accumulator:
        """Returns no group."""
        return {}

    def add_input(
        self, accumulator: Accumulator, element: tfma.metrics.StandardMetricInputs
    ) -> Accumulator:
        """Adds one user to their group."""
        group = inputs.feature(element, self._feature)
        value = user_ndcg(element, self._key.model_name, self._k, contract.RECOMMENDED_ITEM_ID)
        if group.size and group[0] and value is not None:
            total, users = accumulator.get(group[0], (0.0, 0))
            accumulator[group[0]] = total + value, users + 1
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        """Adds the users of several bundles."""
        merged: Accumulator = {}
        for accumulator in accumulators:
            for group, (total, users) in accumulator.items():
                merged_total, merged_users = merged.get(group, (0.0, 0))
                merged[group] = merged_total + total, merged_users + users
        return merged

    def extract_output(self, accumulator: Accumulator) -> dict[tfma.metrics.MetricKey, float]:
        """Returns the gap under the metric's key."""
        means = [total / users for total, users in accumulator.values() if users >= self._min_users]
        gap = max(means) - min(means) if len(means) > 1 else self._without_groups
        return {self._key: gap}
