"""Averages a number over users: what most of the metrics are."""

from collections.abc import Callable, Iterable

import apache_beam as beam
import tensorflow_model_analysis as tfma

Accumulator = tuple[float, int]  # sum, users
UserValue = Callable[[tfma.metrics.StandardMetricInputs, str], float | None]


class UserMeanCombiner(beam.CombineFn):
    """Mean of a number per user."""

    def __init__(
        self,
        key: tfma.metrics.MetricKey,
        user_value: UserValue,
        without_users: float = float("nan"),
    ):
        """Takes what to average.

        Args:
            key: the metric's.
            user_value: computes one user's number; None leaves the user out.
            without_users: the mean where no user is left.
        """
        self._key = key
        self._user_value = user_value
        self._without_users = without_users

    def create_accumulator(self) -> Accumulator:
        """Returns the empty sum."""
        return 0.0, 0

    def add_input(
        self, accumulator: Accumulator, element: tfma.metrics.StandardMetricInputs
    ) -> Accumulator:
        """Adds one user."""
        value = self._user_value(element, self._key.model_name)
        if value is None:
            return accumulator
        return accumulator[0] + value, accumulator[1] + 1

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        """Adds the users of several bundles."""
        total, users = 0.0, 0
        for other_total, other_users in accumulators:
            total += other_total
            users += other_users
        return total, users

    def extract_output(self, accumulator: Accumulator) -> dict[tfma.metrics.MetricKey, float]:
        """Returns the mean under the metric's key."""
        total, users = accumulator
        return {self._key: total / users if users else self._without_users}


def where_unmeasured(key: tfma.metrics.MetricKey, unmeasured: float | None, worst: float) -> float:
    """Returns what stands for a metric where there is nothing to measure it over.

    Args:
        key: the metric's.
        unmeasured: the candidate's value, which keeps the bounds; None stands for NaN.
        worst: the baseline's value then, so that it does not seem to have been better.
    """
    if unmeasured is None:
        return float("nan")
    return worst if key.model_name == tfma.BASELINE_KEY else unmeasured


def user_mean_computations(
    name: str, model_names: list[str] | None, user_value: UserValue
) -> tfma.metrics.MetricComputations:
    """Returns one computation a model.

    Args:
        name: the metric's name; it must tell apart metrics of one class with other parameters,
            because TFMA drops computations whose combiner class and key are equal.
        model_names: names of the model specs, [""] for a single model.
        user_value: computes one user's number.
    """
    return [
        tfma.metrics.MetricComputation(
            keys=[key], preprocessors=None, combiner=UserMeanCombiner(key, user_value)
        )
        for key in metric_keys(name, model_names)
    ]


def metric_keys(name: str, model_names: list[str] | None) -> list[tfma.metrics.MetricKey]:
    """Returns the metric's key for each model."""
    return [
        tfma.metrics.MetricKey(name=name, model_name=model_name)
        for model_name in model_names or [""]
    ]
