import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.interaction_table import InteractionTable
from models.retrieval.wals import fit_wals
from models.retrieval.weighted_problem import SideFeatures, WeightedProblem, objective
from models.retrieval.weighted_sgd import GradientSolver, fit_sgd, user_batches

USERS, ITEMS = 40, 20


@pytest.fixture(scope="module")
def table() -> InteractionTable:
    """Users 1 to 20 choose among items 1 to 10, the others among 11 to 20."""
    random = np.random.default_rng(3)
    pairs = [
        (user, 1 + item + 10 * ((user - 1) // 20))
        for user in range(1, USERS + 1)
        for item in random.choice(10, random.integers(5, 9), replace=False)
    ]
    user, item = np.array(pairs).T
    return InteractionTable(user, item, np.ones(len(user), np.float32), USERS, ITEMS)


@pytest.fixture(scope="module")
def problem(table: InteractionTable) -> WeightedProblem:
    random = np.random.default_rng(0)
    users, items = random.random((USERS + 1, 3)), random.random((ITEMS + 1, 2))
    users[0] = items[0] = 0.0
    side = SideFeatures(users.astype(np.float32), items.astype(np.float32), weight=0.2)
    return WeightedProblem(table, 0.1, 0.5, 0.1, side)


def test_each_user_is_in_one_batch_with_all_their_items_when_batched(
    problem: WeightedProblem,
) -> None:
    batches = list(user_batches(problem, batch_size=50, seed=1))
    assert len(batches) > 3
    users = np.concatenate([batch.users for batch in batches])
    assert sorted(users) == list(range(1, USERS + 1))
    pairs = {
        (int(batch.users[row]), int(item))
        for batch in batches
        for row, item in zip(batch.row, batch.item, strict=True)
    }
    table = problem.table
    assert pairs == set(zip(table.user_index.tolist(), table.item_index.tolist(), strict=True))
    # A user has at most 8, so no batch has as many as 8 over what was asked for.
    assert max(len(batch.row) for batch in batches) < 50 + 8


def test_losses_sum_to_the_objective_when_all_batches_are_taken(problem: WeightedProblem) -> None:
    solver = GradientSolver(problem, 4, seed=0, learning_rate=0.1, steps=1)
    for variable in solver.variables:
        variable.assign(variable * 50.0)
    total = sum(
        float(solver.loss(*map(tf.constant, (batch.users, batch.row, batch.item))))
        for batch in user_batches(problem, batch_size=50, seed=1)
    )
    assert total == pytest.approx(objective(problem, solver.factors()), rel=1e-5)


def test_the_objective_is_near_that_of_exact_half_steps_when_fitted(
    table: InteractionTable,
) -> None:
    problem = WeightedProblem(table, 0.1, 0.5, 0.1)
    exact = objective(problem, fit_wals(problem, 2, iterations=15, seed=0))
    factors = fit_sgd(problem, 2, max_epochs=30, batch_size=100, learning_rate=0.1, seed=0)
    assert objective(problem, factors) < 1.02 * exact
    scores = factors.users[1:] @ factors.items[1:].T
    assert scores[:20, :10].min() > scores[:20, 10:].max() + 0.3
    assert scores[20:, 10:].min() > scores[20:, :10].max() + 0.3


def test_side_features_are_learned_when_they_count(problem: WeightedProblem) -> None:
    start = objective(problem, GradientSolver(problem, 4, 0, 0.05, 1).factors())
    factors = fit_sgd(problem, 4, max_epochs=30, batch_size=100, learning_rate=0.05, seed=0)
    exact = objective(problem, fit_wals(problem, 4, iterations=15, seed=0))
    assert objective(problem, factors) < exact + 0.1 * (start - exact)
    assert factors.user_features.shape == (3, 4)
    assert factors.item_features.shape == (2, 4)


def test_a_fit_names_the_epoch_and_the_batch_when_it_turns_nan(problem: WeightedProblem) -> None:
    with pytest.raises(FloatingPointError, match=r"Received: (nan|inf) at epoch 1, batch 2"):
        fit_sgd(problem, 4, max_epochs=2, batch_size=50, learning_rate=1e30, seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimension": 0}, "embedding_dimension must be at least 1. Received: 0"),
        ({"max_epochs": 0}, "max_epochs must be at least 1. Received: 0"),
        ({"batch_size": 0}, "batch_size must be at least 1. Received: 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0. Received: 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0. Received: nan"),
    ],
)
def test_a_fit_is_refused_when_an_argument_is_bad(
    problem: WeightedProblem, change: dict[str, float], message: str
) -> None:
    arguments = {"dimension": 2, "max_epochs": 1, "batch_size": 50, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=message):
        fit_sgd(problem, **(arguments | change), seed=0)
