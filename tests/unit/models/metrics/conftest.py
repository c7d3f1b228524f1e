from collections.abc import Callable
from typing import Any

import pytest
import tensorflow_model_analysis as tfma

Evaluate = Callable[..., dict[str, float]]


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """Runs a metric's combiners over users, in two merged bundles, as Beam would."""

    def run(
        metric: tfma.metrics.Metric, users: list[dict[str, Any]], model_names: list[str]
    ) -> dict[str, float]:
        # As the Evaluator does: through the metric's configuration and back.
        restored = type(metric).from_config(metric.get_config())
        found = {}
        for computation in restored.computations(model_names=model_names):
            combiner = computation.combiner
            bundles = [combiner.create_accumulator(), combiner.create_accumulator()]
            for place, user in enumerate(users):
                inputs = tfma.metrics.StandardMetricInputs(user)
                bundles[place % 2] = combiner.add_input(bundles[place % 2], inputs)
            merged = combiner.merge_accumulators(bundles)
            for key, value in combiner.extract_output(merged).items():
                found[f"{key.model_name}/{key.name}" if key.model_name else key.name] = value
        return found

    return run


@pytest.fixture(scope="session")
def user() -> Callable[..., dict[str, Any]]:
    """Makes one user's extracts as TFMA hands them to a metric of a single model."""
    import numpy as np

    from models import contract, features

    def make(
        chosen: list[bytes],
        recommended: list[bytes],
        popular: list[bytes] | None = None,
        ratings: list[float] | None = None,
        predicted: list[float] | None = None,
        catalogue_size: int = 10,
    ) -> dict[str, Any]:
        return {
            "labels": np.array(chosen, dtype=object),
            "predictions": {
                contract.RECOMMENDED_ITEM_ID: np.array(recommended, dtype=object),
                contract.POPULAR_ITEM_ID: np.array(popular or [b""], dtype=object),
                contract.CHOSEN_PREDICTED_RATING: np.array(predicted or [], np.float32),
                contract.CATALOGUE_SIZE: np.array([catalogue_size]),
            },
            "features": {}
            if ratings is None
            else {features.CHOSEN_RATING: np.array(ratings, np.float32)},
        }

    return make
