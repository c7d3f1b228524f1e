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
        interactions: list[float] | None = None,
        chosen_interactions: list[float] | None = None,
        distance: float = 0.0,
        **query: list[bytes],
    ) -> dict[str, Any]:
        given = {name: np.array(value, dtype=object) for name, value in query.items()}
        if ratings is not None:
            given[features.CHOSEN_RATING] = np.array(ratings, np.float32)
        return {
            "labels": np.array(chosen, dtype=object),
            "predictions": {
                contract.RECOMMENDED_ITEM_ID: np.array(recommended, dtype=object),
                contract.POPULAR_ITEM_ID: np.array(popular or [b""], dtype=object),
                contract.CHOSEN_PREDICTED_RATING: np.array(predicted or [], np.float32),
                contract.CATALOGUE_SIZE: np.array([catalogue_size]),
                contract.RECOMMENDED_INTERACTIONS: np.array(interactions or [], np.float32),
                contract.CHOSEN_INTERACTIONS: np.array(chosen_interactions or [], np.float32),
                contract.INTRA_LIST_DISTANCE: np.array([distance], np.float32),
                contract.TOTAL_INTERACTIONS: np.array([64.0], np.float32),
            },
            "features": given,
        }

    return make


@pytest.fixture(scope="session")
def two_models() -> Callable[..., dict[str, Any]]:
    """Makes the extracts of a candidate and a baseline out of each one's alone."""

    def make(candidate: dict[str, Any], baseline: dict[str, Any]) -> dict[str, Any]:
        return {
            "labels": {"candidate": candidate["labels"], "baseline": baseline["labels"]},
            "predictions": {
                "candidate": candidate["predictions"],
                "baseline": baseline["predictions"],
            },
            "features": candidate["features"],
        }

    return make
