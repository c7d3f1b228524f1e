"""TFMA metric of predicted ratings."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma

from models import contract, features
from models.metrics import inputs, names
from models.metrics.user_mean import metric_keys

Accumulator = tuple[float, int]  # sum of squared errors, ratings


class RatingRMSE(tfma.metrics.Metric):
    """Root mean squared error of the ratings the users gave, in rating units.

    Every rating weighs the same, whoever gave it. NaN where there is no rating, which fails any
    threshold: leave the metric out for implicit feedback.
    """

    def __init__(self, name: str = names.RATING_RMSE):
        """Takes the metric's name."""
        super().__init__(_rating_rmse, name=name)


def _rating_rmse(
    name: str, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    ratings = tfma.metrics.FeaturePreprocessor(feature_keys=[features.CHOSEN_RATING])
    return [
        tfma.metrics.MetricComputation(
            keys=[key], preprocessors=[ratings], combiner=SquaredErrorCombiner(key)
        )
        for key in metric_keys(name, model_names)
    ]


class SquaredErrorCombiner(beam.CombineFn):
    """Sums squared errors."""

    def __init__(self, key: tfma.metrics.MetricKey):
        """Takes the metric's key."""
        self._key = key

    def create_accumulator(self) -> Accumulator:
        """Returns no rating."""
        return 0.0, 0

    def add_input(
        self, accumulator: Accumulator, element: tfma.metrics.StandardMetricInputs
    ) -> Accumulator:
        """Adds one user's ratings.

        Raises:
            ValueError: if the model predicts fewer ratings than the user gave.
        """
        given = inputs.feature(element, features.CHOSEN_RATING).astype(np.float64)
        predicted = inputs.output(
            element, self._key.model_name, contract.CHOSEN_PREDICTED_RATING
        ).astype(np.float64)
        if predicted.size < given.size:
            raise ValueError(
                f"{contract.CHOSEN_PREDICTED_RATING!r} must have a value for each of the "
                f"{given.size} chosen items. Received: {predicted.size}."
            )
        # The batch is padded to its longest row, so what follows the user's own is padding.
        errors = predicted[: given.size] - given
        return accumulator[0] + float(errors @ errors), accumulator[1] + given.size

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        """Adds the ratings of several bundles."""
        total, ratings = 0.0, 0
        for other_total, other_ratings in accumulators:
            total += other_total
            ratings += other_ratings
        return total, ratings

    def extract_output(self, accumulator: Accumulator) -> dict[tfma.metrics.MetricKey, float]:
        """Returns the root of the mean."""
        total, ratings = accumulator
        return {self._key: (total / ratings) ** 0.5 if ratings else float("nan")}
