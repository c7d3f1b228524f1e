"""How the metrics read one user's labels and predictions out of TFMA's inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma

from models import contract

Array = npt.NDArray[Any]


def checked_k(k: int) -> int:
    """Returns a cut-off that the evaluated lists allow.

    Raises:
        ValueError: if they are shorter, or it is below 1.
    """
    if not 1 <= k <= contract.EVALUATED_LIST_LENGTH:
        raise ValueError(
            f"k must be between 1 and {contract.EVALUATED_LIST_LENGTH}, the length of the "
            f"evaluated lists. Received: {k}. Cut the lists within their length."
        )
    return k


def labels(inputs: tfma.metrics.StandardMetricInputs, model_name: str) -> list[bytes]:
    """Returns the items the user chose as they stand in the query, b"" pads."""
    return _flat(inputs.get_labels(model_name)).tolist()


def chosen_items(inputs: tfma.metrics.StandardMetricInputs, model_name: str) -> list[bytes]:
    """Returns the distinct items the user chose, b"" pads left out."""
    return [item for item in dict.fromkeys(labels(inputs, model_name)) if item]


def output(inputs: tfma.metrics.StandardMetricInputs, model_name: str, name: str) -> Array:
    """Returns one output of the evaluate signature for one user, one-dimensional.

    Raises:
        ValueError: if the signature has no such output.
    """
    predictions = inputs.get_predictions(model_name)
    if not isinstance(predictions, dict) or name not in predictions:
        received = sorted(predictions) if isinstance(predictions, dict) else "a single output"
        raise ValueError(
            f"The signature {contract.EVALUATE!r} of model {model_name or 'candidate'!r} must "
            f"return {name!r}. Received: {received}. Export it as models/contract.py says."
        )
    return np.asarray(predictions[name]).ravel()


def feature(inputs: tfma.metrics.StandardMetricInputs, name: str) -> Array:
    """Returns a raw feature of the user's query, one-dimensional, empty where it is absent."""
    features = inputs.get_features() or {}
    return _flat(features.get(name))


def item_list(
    inputs: tfma.metrics.StandardMetricInputs, model_name: str, name: str
) -> Sequence[bytes]:
    """Returns a list output as item ids, best first, b"" pads."""
    return output(inputs, model_name, name).tolist()


def _flat(values: Any) -> Array:
    # Without a schema TFMA guesses a feature's shape from each batch: dense where all rows have one
    # length, variable where they differ, and an object array with None in it where rows of one
    # length stand beside rows without the feature.
    if values is None:
        return np.array([])
    flat = np.asarray(values).ravel()
    if flat.dtype != object:
        return flat
    present = [value for value in flat if value is not None]
    if any(isinstance(value, np.ndarray) for value in present):
        return np.concatenate([np.ravel(value) for value in present])
    return np.array(present, dtype=object)
