"""TFMA metrics of what all users together are shown.

On a slice they are of what the users of that slice are shown, still over the whole catalogue, whose
size is known to the model alone and so comes with its outputs.
"""

from collections.abc import Callable, Iterable

import apache_beam as beam
import tensorflow_model_analysis as tfma

from models import contract
from models.metrics import exposure, inputs
from models.metrics.exposure import Exposure
from models.metrics.user_mean import metric_keys

Measure = Callable[[Exposure], float]


class CatalogueCoverageAtK(tfma.metrics.Metric):
    """Share of the catalogue in the first k of any user's list."""

    def __init__(self, k: int, name: str | None = None):
        """Takes the cut-off and the metric's name (catalogue_coverage@k)."""
        name = name or f"catalogue_coverage@{inputs.checked_k(k)}"
        super().__init__(_coverage, name=name, k=k)


class ExposureGiniAtK(tfma.metrics.Metric):
    """Gini coefficient of how often the first k of the lists show each item of the catalogue."""

    def __init__(self, k: int, name: str | None = None):
        """Takes the cut-off and the metric's name (exposure_gini@k)."""
        super().__init__(_gini, name=name or f"exposure_gini@{inputs.checked_k(k)}", k=k)


class PersonalizationAtK(tfma.metrics.Metric):
    """One less the expected overlap of the first k of two different users' lists."""

    def __init__(self, k: int, name: str | None = None):
        """Takes the cut-off and the metric's name (personalization@k)."""
        name = name or f"personalization@{inputs.checked_k(k)}"
        super().__init__(_personalization, name=name, k=k)


# TFMA reads the argument names of these functions to know what to pass.
def _coverage(
    name: str, k: int, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return _computations(name, k, model_names, exposure.coverage)


def _gini(
    name: str, k: int, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return _computations(name, k, model_names, exposure.gini)


def _personalization(
    name: str, k: int, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return _computations(name, k, model_names, exposure.personalization)


def _computations(
    name: str, k: int, model_names: list[str] | None, measure: Measure
) -> tfma.metrics.MetricComputations:
    return [
        tfma.metrics.MetricComputation(
            keys=[key], preprocessors=None, combiner=ExposureCombiner(key, k, measure)
        )
        for key in metric_keys(name, model_names)
    ]


class ExposureCombiner(beam.CombineFn):
    """Counts how often each item is shown."""

    def __init__(self, key: tfma.metrics.MetricKey, k: int, measure: Measure):
        """Takes the metric's key, the cut-off and what to make of the counts."""
        self._key = key
        self._k = k
        self._measure = measure

    def create_accumulator(self) -> Exposure:
        """Returns nothing shown."""
        return exposure.no_exposure()

    def add_input(
        self, accumulator: Exposure, element: tfma.metrics.StandardMetricInputs
    ) -> Exposure:
        """Adds one user's list."""
        model_name = self._key.model_name
        ranked = inputs.item_list(element, model_name, contract.RECOMMENDED_ITEM_ID)
        size = inputs.output(element, model_name, contract.CATALOGUE_SIZE)
        return accumulator.with_list(ranked[: self._k], int(size[0]))

    def merge_accumulators(self, accumulators: Iterable[Exposure]) -> Exposure:
        """Adds the users of several bundles."""
        return exposure.merge(accumulators)

    def extract_output(self, accumulator: Exposure) -> dict[tfma.metrics.MetricKey, float]:
        """Returns the measure under the metric's key."""
        return {self._key: self._measure(accumulator)}
