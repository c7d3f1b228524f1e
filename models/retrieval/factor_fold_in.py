"""Vectors of users and items that a finished model has not seen: one solve, no training."""

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from models.retrieval.interaction_table import Floats, Indices

Doubles = npt.NDArray[np.float64]


def check_fold_in(
    name: str, index: npt.ArrayLike, most: int, value: npt.ArrayLike | None = None
) -> Indices:
    """Refuses what nothing can be solved from.

    Args:
        name: of the index.
        index: int [n], of the known side.
        most: largest index.
        value: [n], what was observed, if anything was beside the interaction itself.

    Returns:
        The index, int64 [n].

    Raises:
        ValueError: if there is none, the lengths differ, an index is out of range or a value is not
            finite.
    """
    indices = np.asarray(index, np.int64)
    if not len(indices):
        raise ValueError(
            f"{name} must name at least one. Received: none. Without any, use the unknown one's "
            "embedding: row 0."
        )
    if indices.min() < 1 or indices.max() > most:
        raise ValueError(
            f"{name} must be between 1 and {most}. Received: {indices.min()} to {indices.max()}. "
            "Leave out what the vocabulary lacks."
        )
    if value is None:
        return indices
    values = np.asarray(value)
    if len(values) != len(indices):
        raise ValueError(
            f"{name} and the observed values must have the same length. Received: {len(indices)} "
            f"and {len(values)}. Give one value for each."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"observed values must be finite. Received: {values[~np.isfinite(values)][0]}. "
            "Drop or mend it."
        )
    return indices


def ridge(vectors: Floats, target: Floats, regularization: float, bias: bool) -> Floats:
    """Minimises 1/2 sum (v · z + b - target)^2 + lambda/2 |z|^2.

    Args:
        vectors: float32 [n, K], of the known side.
        target: float32 [n].
        regularization: lambda; with 0 the shortest solution is taken.
        bias: whether there is a b; else it is 0.

    Returns:
        float32 [K + 1]: z and b.

    Source: Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634.
    """
    dimension = vectors.shape[1]
    # Rows that stand for the penalty: least squares then holds up where the matrix is singular.
    penalty = np.sqrt(regularization) * np.eye(dimension, dimension + 1)
    ones = np.full([len(vectors), 1], float(bias))
    rows = np.concatenate([np.concatenate([vectors, ones], axis=1), penalty])
    values = np.concatenate([target, np.zeros(dimension)])
    solution, *_ = np.linalg.lstsq(rows, values, rcond=None)
    return np.asarray(solution, np.float32)


def logistic(vectors: Floats, offset: Floats, label: Floats, regularization: float) -> Floats:
    """Minimises the cross-entropy of sigmoid(v · z + b + offset) + lambda/2 (|z|^2 + b^2).

    Args:
        vectors: float32 [n, K], of the known side.
        offset: float32 [n], known part of the log-odds.
        label: float32 [n], 0 or 1.
        regularization: lambda.

    Returns:
        float32 [K + 1]: z and b.
    """
    rows = np.concatenate([vectors, np.ones([len(vectors), 1])], axis=1)

    def objective(weights: Doubles) -> tuple[float, Doubles]:
        score = rows @ weights + offset
        nats = np.logaddexp(0.0, score) - label * score
        gradient = rows.T @ (special.expit(score) - label) + regularization * weights
        return float(nats.sum() + 0.5 * regularization * weights @ weights), gradient

    start = np.zeros(rows.shape[1])
    found = optimize.minimize(objective, start, jac=True, method="L-BFGS-B")
    return np.asarray(found.x, np.float32)
