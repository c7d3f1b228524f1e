"""TFMA metric of how much of the catalogue is ever recommended."""

from collections.abc import Iterable

import apache_beam as beam
import tensorflow_model_analysis as tfma

from models import contract
from models.metrics import inputs
from models.metrics.user_mean import metric_keys

Accumulator = tuple[set[bytes], int]  # recommended items, items in the catalogue


class CatalogueCoverageAtK(tfma.metrics.Metric):
    """Share of the catalogue in the first k of any user's list.

    On a slice it is what the users of that slice are shown, still as a share of the whole
    catalogue. The catalogue's size is known to the model alone, so it comes with its outputs.
    """

    def __init__(self, k: int, name: str | None = None):
        """Takes the cut-off and the metric's name (catalogue_coverage@k)."""
        super().__init__(_coverage, name=name or f"catalogue_coverage@{k}", k=k)


def _coverage(
    name: str, k: int, model_names: list[str] | None = None
) -> tfma.metrics.MetricComputations:
    return [
        tfma.metrics.MetricComputation(
            keys=[key], preprocessors=None, combiner=CoverageCombiner(key, k)
        )
        for key in metric_keys(name, model_names)
    ]


class CoverageCombiner(beam.CombineFn):
    """Counts distinct recommended items; memory grows with the catalogue, not with users."""

    def __init__(self, key: tfma.metrics.MetricKey, k: int):
        """Takes the metric's key and the cut-off."""
        self._key = key
        self._k = k

    def create_accumulator(self) -> Accumulator:
        """Returns nothing recommended."""
        return set(), 0

    def add_input(
        self, accumulator: Accumulator, element: tfma.metrics.StandardMetricInputs
    ) -> Accumulator:
        """Adds one user's list."""
        items, size = accumulator
        model_name = self._key.model_name
        ranked = inputs.item_list(element, model_name, contract.RECOMMENDED_ITEM_ID)
        items.update(item for item in ranked[: self._k] if item)
        row_size = inputs.output(element, model_name, contract.CATALOGUE_SIZE)
        return items, max(size, int(row_size[0]))

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        """Unites the items of several bundles."""
        merged: set[bytes] = set()
        size = 0
        for items, other_size in accumulators:
            merged |= items
            size = max(size, other_size)
        return merged, size

    def extract_output(self, accumulator: Accumulator) -> dict[tfma.metrics.MetricKey, float]:
        """Returns the share, NaN without a catalogue."""
        items, size = accumulator
        return {self._key: len(items) / size if size else float("nan")}
