from typing import Any

import numpy as np
import pytest

from models.retrieval.interaction_table import InteractionTable
from models.retrieval.weighted_problem import (
    SideFeatures,
    WeightedFactors,
    WeightedProblem,
    category_shares,
    objective,
)

# User 1 chose items 1 and 2, user 2 item 1; nobody chose item 3.
TABLE = InteractionTable(
    np.array([1, 1, 2]), np.array([1, 2, 1]), np.ones(3, np.float32), users=2, items=3
)
NO_FEATURES = np.zeros((0, 1), np.float32)


def column(*values: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vectors of one component, the unknown one's first."""
    return np.array([0.0, *values], np.float32)[:, np.newaxis]


FACTORS = WeightedFactors(column(1.0, 2.0), column(0.5, 1.0, 3.0), NO_FEATURES, NO_FEATURES)


def test_unobserved_entries_weigh_by_frequency_when_there_is_a_power() -> None:
    # Frequencies 2, 1 and 0; their mean among items that occur is 1.5.
    weights = WeightedProblem(TABLE, 0.3, 1.0, 0.1).unobserved
    assert weights == pytest.approx([0.0, 0.3 * 2 / 1.5, 0.3 / 1.5, 0.0])
    roots = WeightedProblem(TABLE, 0.3, 0.5, 0.1).unobserved
    assert roots == pytest.approx([0.0, 0.3 * (2 / 1.5) ** 0.5, 0.3 * (1 / 1.5) ** 0.5, 0.0])


def test_unobserved_entries_weigh_the_same_when_there_is_no_power() -> None:
    assert WeightedProblem(TABLE, 0.3, 0.0, 0.1).unobserved == pytest.approx([0, 0.3, 0.3, 0.3])


def test_an_unobserved_entry_weighs_no_more_than_an_observed_one_when_frequent() -> None:
    # 0.9 * 2 / 1.5 = 1.2 is cut to 1.
    assert WeightedProblem(TABLE, 0.9, 1.0, 0.1).unobserved[1] == 1.0


def test_the_objective_is_the_dense_sum_when_worked_out_by_hand() -> None:
    # Scores [[0.5, 1, 3], [1, 2, 6]]; weights of unobserved entries 0.1 each.
    # Observed: (1 - 0.5)^2 + (1 - 1)^2 + (1 - 1)^2 = 0.25.
    # Unobserved: 0.1 (3^2 + 2^2 + 6^2) = 4.9.
    # Ridge: 0.01 (1 + 4 + 0.25 + 1 + 9) = 0.1525.
    problem = WeightedProblem(TABLE, 0.1, 0.0, 0.01)
    assert objective(problem, FACTORS) == pytest.approx(0.25 + 4.9 + 0.1525)


def test_side_features_add_their_errors_when_they_count() -> None:
    # User features 1 and 0 against 1 * 0.5 and 2 * 0.5: 0.5^2 + 1^2 = 1.25.
    # Item features 0, 1 and 0 against 2 * (0.5, 1, 3) = 1, 2, 6: 1 + 1 + 36 = 38.
    # Ridge of the two vectors: 0.01 (0.25 + 4) = 0.0425. The side features weigh 2.
    side = SideFeatures(column(1.0, 0.0), column(0.0, 1.0, 0.0), weight=2.0)
    factors = WeightedFactors(
        FACTORS.users, FACTORS.items, np.array([[0.5]], np.float32), np.array([[2.0]], np.float32)
    )
    problem = WeightedProblem(TABLE, 0.1, 0.0, 0.01, side)
    assert objective(problem, factors) == pytest.approx(5.3025 + 2 * 39.25 + 0.0425)


def test_shares_are_those_of_the_items_categories_when_users_are_described() -> None:
    categories = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    # User 1: items 1 and 2 count (2, 1), a share of (2/3, 1/3); user 2: item 1.
    shares = category_shares(TABLE, categories)
    assert shares.tolist() == [[0, 0], pytest.approx([2 / 3, 1 / 3]), [1, 0]]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((-0.1, 0.5, 0.1), "unobserved_weight must be a number of at least 0. Received: -0.1"),
        ((0.1, -0.5, 0.1), "frequency_power must be a number of at least 0. Received: -0.5"),
        ((0.1, 0.5, -1.0), "regularization must be a number of at least 0. Received: -1.0"),
        ((0.1, 0.5, float("nan")), "regularization must be a number of at least 0. Received: nan"),
        ((0.0, 0.5, 0.0), "regularization and unobserved_weight must not both be 0"),
    ],
)
def test_a_problem_is_refused_when_a_weight_is_bad(
    weights: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        WeightedProblem(TABLE, *weights)
