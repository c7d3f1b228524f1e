from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.retrieval import factorization
from models.retrieval.factorization import Descent, factorize
from models.retrieval.interaction_table import InteractionTable


@pytest.fixture
def table() -> InteractionTable:
    """Users 1 and 2; items 1 to 3, the last without interactions."""
    return InteractionTable(
        np.array([1, 1, 2]), np.array([1, 2, 1]), np.array([5.0, 1.0, 3.0], np.float32), 2, 3
    )


def squared(score: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.square(score - target)


def run(table: InteractionTable, descent: Descent) -> Any:
    return factorize(table, table.rating, np.zeros(4, np.float32), squared, descent)


def test_loss_is_error_and_penalty_when_factors_start_at_zero(table: InteractionTable) -> None:
    descent = Descent(2, 1.0, 0.1, 1, seed=0, initial_deviation=0.0)
    # All scores are 0: (5^2 + 1^2 + 3^2) / 2 = 17.5, and nothing to penalise.
    assert run(table, descent).losses == [17.5]


@pytest.mark.parametrize("biases", [False, True])
def test_loss_counts_the_penalty_once_when_factors_start_at_random(
    table: InteractionTable, biases: bool
) -> None:
    def loss(regularization: float) -> float:
        descent = Descent(2, regularization, 0.1, 1, 5, item_biases=biases, penalize_biases=biases)
        return float(run(table, descent).losses[0])

    # The same draws in the order of the weights: w, b, x and the items' biases; row 0 is zeros.
    random = np.random.default_rng(5)
    weights = [random.normal(0.0, 1.0, shape) for shape in ((3, 2), 3, (4, 2), 4)]
    squares = [float(np.sum(weight[1:] ** 2)) for weight in weights]
    penalized = sum(squares) if biases else squares[0] + squares[2]
    assert loss(3.0) - loss(0.0) == pytest.approx(1.5 * penalized, rel=1e-4)


def test_result_is_the_same_when_entries_are_taken_in_parts(
    table: InteractionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    descent = Descent(2, 1.0, 0.1, 20, seed=0)
    whole = run(table, descent)
    monkeypatch.setattr(factorization, "ENTRIES_AT_ONCE", 2)
    parts = run(table, descent)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-5)
    np.testing.assert_allclose(parts.item, whole.item, atol=1e-4)


def test_row_0_stays_zero_when_trained(table: InteractionTable) -> None:
    learned = run(table, Descent(2, 0.5, 0.1, 30, seed=0, item_biases=True, penalize_biases=True))
    for row in (learned.user[0], learned.user_bias[0], learned.item[0], learned.item_bias[0]):
        assert not np.any(row)


def test_names_the_iteration_when_training_diverges(table: InteractionTable) -> None:
    with pytest.raises(FloatingPointError, match=r"(nan|inf) at iteration \d+ .*3 entries are one"):
        run(table, Descent(2, 1.0, 1e30, 200, seed=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimension": 0}, "dimension must be at least 1. Received: 0"),
        ({"iterations": 0}, "iterations must be at least 1. Received: 0"),
        ({"regularization": -1.0}, "regularization must be finite and at least 0. Received: -1.0"),
        ({"regularization": np.nan}, "at least 0. Received: nan. Give 0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and above 0. Received: 0.0"),
    ],
)
def test_says_so_when_a_value_is_out_of_range(change: dict[str, Any], message: str) -> None:
    values = {"dimension": 2, "regularization": 1.0, "learning_rate": 0.1, "iterations": 5}
    with pytest.raises(ValueError, match=message):
        Descent(seed=0, **(values | change))
