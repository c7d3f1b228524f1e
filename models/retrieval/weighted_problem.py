"""What weighted matrix factorization minimises, whatever the solver.

The sum over observed entries of (1 - u·x)^2, over all others of w_i (u·x)^2, over side features of
s (feature - u·f)^2, and of the ridge λ |v|^2 of every vector v. The side features border the table
of interactions: [[interactions, user features], [item features, left out]].

Source: Hu et al. 2008, doi:10.1109/ICDM.2008.22; weights by frequency: He et al. 2016,
doi:10.1145/2911451.2911489; the border of side features: Fang and Si 2011,
doi:10.1145/2039320.2039330.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.item_table import FloatArray
from models.retrieval.interaction_table import InteractionTable

Doubles = npt.NDArray[np.float64]

ENTRIES_AT_ONCE = 100_000  # of the objective: 50 MB of 64 doubles
# An entry that nobody observed may not count more than an observed one: the normal equations would
# no longer be a sum of squares.
MAX_UNOBSERVED_WEIGHT = 1.0


@dataclass(frozen=True)
class SideFeatures:
    """What is known of users and items beside the interactions.

    Attributes:
        users: float32 [U+1, C], by user index; row 0 is zero.
        items: float32 [N+1, K], by item index; row 0 is zero.
        weight: of a squared error, where an observed interaction's is 1.
    """

    users: FloatArray
    items: FloatArray
    weight: float


@dataclass(frozen=True)
class WeightedProblem:
    """Interactions, and how much each part of the objective counts.

    That nobody chose a well-known item says more than that nobody chose one nobody knows, so
    unobserved entries may weigh by how often their item occurs.

    Attributes:
        table: the interactions; their ratings do not count.
        unobserved_weight: of an unobserved entry of an item of mean frequency, among those that
            occur; an observed one's is 1.
        frequency_power: of frequency / mean frequency; 0 weighs all items alike.
        regularization: λ.
        side: features of users and items, if any.

    Raises:
        ValueError: if a weight is negative or not finite, or nothing bounds the solution.
    """

    table: InteractionTable
    unobserved_weight: float
    frequency_power: float
    regularization: float
    side: SideFeatures | None = None

    def __post_init__(self) -> None:
        for name in ("unobserved_weight", "frequency_power", "regularization"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0.0):
                raise ValueError(
                    f"{name} must be a number of at least 0. Received: {value}. Give 0 or more."
                )
        if self.regularization == 0.0 and self.unobserved_weight == 0.0:
            raise ValueError(
                "regularization and unobserved_weight must not both be 0: no solution would be the "
                "only one. Received: 0 and 0. Raise one of them."
            )

    @cached_property
    def unobserved(self) -> FloatArray:
        """Weights of unobserved entries by item index, float32 [N+1]; 0 for index 0."""
        return np.concatenate([[np.float32(0.0)], self.weights_of(self.table.item_counts())])

    def weights_of(self, item_counts: npt.NDArray[np.int64]) -> FloatArray:
        """Returns the weights of unobserved entries of items of given frequencies.

        Args:
            item_counts: int64 [n], interactions.

        Returns:
            float32 [n], at most MAX_UNOBSERVED_WEIGHT.
        """
        counts = self.table.item_counts()
        relative = item_counts / counts[counts > 0].mean()
        weights = self.unobserved_weight * relative**self.frequency_power
        return np.minimum(weights, MAX_UNOBSERVED_WEIGHT).astype(np.float32)


@dataclass(frozen=True)
class WeightedFactors:
    """A solution.

    Attributes:
        users: float32 [U+1, D], by user index; row 0 is zero.
        items: float32 [N+1, D], by item index; row 0 is zero.
        user_features: float32 [C, D]; users times these are the users' features.
        item_features: float32 [K, D]; items times these are the items' features.
    """

    users: FloatArray
    items: FloatArray
    user_features: FloatArray
    item_features: FloatArray


def category_shares(table: InteractionTable, category_multi_hot: FloatArray) -> FloatArray:
    """Returns what share of each user's categories each category has, as in the transform graph.

    Args:
        table: the interactions.
        category_multi_hot: float32 [N+1, C].

    Returns:
        float32 [U+1, C]; row 0, and a user of items without categories, are zero.
    """
    counts = np.zeros((table.users + 1, category_multi_hot.shape[1]), np.float32)
    counts[1:] = table.matrix() @ category_multi_hot[1:]
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)


def objective(problem: WeightedProblem, factors: WeightedFactors) -> float:
    """Returns what the solvers minimise, without ever forming the dense table.

    All entries are summed as if unobserved: the trace of U'U X'WX. The observed ones are put right.
    """
    users, items = factors.users.astype(np.float64), factors.items.astype(np.float64)
    weighted = items * problem.unobserved[:, np.newaxis]
    total = float(np.sum((users.T @ users) * (weighted.T @ items)))
    for part in _parts(len(problem.table.rating)):
        row, column = problem.table.user_index[part], problem.table.item_index[part]
        scores = np.einsum("nd,nd->n", users[row], items[column])
        total += float(np.sum((1.0 - scores) ** 2 - problem.unobserved[column] * scores**2))
    vectors: list[npt.NDArray[Any]] = [users, items]
    if problem.side is not None:
        vectors += [factors.user_features, factors.item_features]
        total += problem.side.weight * (
            float(np.sum((problem.side.users - users @ factors.user_features.T) ** 2))
            + float(np.sum((problem.side.items - items @ factors.item_features.T) ** 2))
        )
    return total + problem.regularization * sum(float(np.sum(v**2)) for v in vectors)


def _parts(entries: int) -> Iterator[slice]:
    for start in range(0, entries, ENTRIES_AT_ONCE):
        yield slice(start, start + ENTRIES_AT_ONCE)
