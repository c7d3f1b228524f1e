from dataclasses import replace

import numpy as np
import pytest

from models.retrieval.interaction_table import InteractionTable
from models.retrieval.wals import (
    fit_wals,
    initial_factors,
    item_rows,
    solve_items,
    solve_users,
    user_rows,
)
from models.retrieval.weighted_problem import (
    SideFeatures,
    WeightedFactors,
    WeightedProblem,
    category_shares,
    objective,
)

USERS, ITEMS = 30, 20
DIMENSION = 4
COLD = 20  # nobody has chosen it
CATEGORIES = np.zeros((ITEMS + 1, 2), np.float32)
CATEGORIES[1:11, 0] = 1.0  # items 1 to 10
CATEGORIES[11:, 1] = 1.0  # items 11 to 20


@pytest.fixture(scope="module")
def table() -> InteractionTable:
    """Users 1 to 15 choose among items 1 to 10, the others among 11 to 19."""
    random = np.random.default_rng(3)
    pairs = [
        (user, item)
        for user in range(1, USERS + 1)
        for item in (range(1, 11) if user <= 15 else range(11, COLD))
        if item % 10 == user % 10 or random.random() < 0.6
    ]
    user, item = np.array(pairs).T
    return InteractionTable(user, item, np.ones(len(user), np.float32), USERS, ITEMS)


@pytest.fixture(scope="module")
def with_side(table: InteractionTable) -> WeightedProblem:
    side = SideFeatures(category_shares(table, CATEGORIES), CATEGORIES, weight=0.5)
    return WeightedProblem(table, 0.1, 0.5, 0.1, side)


def dense_rows(problem: WeightedProblem, factors: WeightedFactors) -> WeightedFactors:
    """The best users for the items and then items for the users, each by a dense solve."""
    observed = problem.table.matrix().toarray()
    weights = np.where(observed > 0, 1.0, problem.unobserved[1:])
    users, items = np.zeros_like(factors.users), np.zeros_like(factors.items)
    ridge = problem.regularization * np.eye(factors.items.shape[1])
    known = factors.items[1:]
    for user, weight in enumerate(weights):
        matrix = known.T @ (weight[:, np.newaxis] * known) + ridge
        users[user + 1] = np.linalg.solve(matrix, known.T @ observed[user])
    known = users[1:]
    for item, weight in enumerate(weights.T):
        matrix = known.T @ (weight[:, np.newaxis] * known) + ridge
        items[item + 1] = np.linalg.solve(matrix, known.T @ observed[:, item])
    return replace(factors, users=users, items=items)


# Rows of 5 to 11 entries: by their own number of entries, or by the vectors' components.
@pytest.mark.parametrize("dimension", [4, 24])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_half_steps_equal_dense_least_squares_when_solved(
    table: InteractionTable, dimension: int, power: float
) -> None:
    problem = WeightedProblem(table, 0.1, power, 0.1)
    start = initial_factors(problem, dimension, seed=1)
    start = replace(start, items=start.items * 50.0)
    expected = dense_rows(problem, start)
    solved = solve_users(problem, start, user_rows(problem, dimension))
    assert solved.users == pytest.approx(expected.users, abs=2e-4)
    solved = solve_items(problem, solved, item_rows(problem, dimension))
    assert solved.items == pytest.approx(expected.items, abs=2e-4)


@pytest.mark.parametrize("dimension", [4, 24])
@pytest.mark.parametrize("side", [False, True])
def test_each_half_step_lowers_the_objective_when_fitted(
    with_side: WeightedProblem, side: bool, dimension: int
) -> None:
    problem = with_side if side else replace(with_side, side=None)
    values = [objective(problem, initial_factors(problem, dimension, seed=0))]

    def note(factors: WeightedFactors) -> None:
        values.append(objective(problem, factors))

    fit_wals(problem, dimension, iterations=6, seed=0, after_half_step=note)
    assert len(values) == 13
    assert (np.diff(values) < 1e-4).all()
    assert values[-1] < 0.5 * values[0]


def test_groups_are_told_apart_when_planted(table: InteractionTable) -> None:
    factors = fit_wals(WeightedProblem(table, 0.1, 0.5, 0.1), 2, iterations=10, seed=0)
    scores = factors.users[1:] @ factors.items[1:COLD].T
    assert scores[:15, :10].min() > scores[:15, 10:].max() + 0.3
    assert scores[15:, 10:].min() > scores[15:, :10].max() + 0.3


def test_an_item_without_interactions_is_zero_when_there_are_no_features(
    table: InteractionTable,
) -> None:
    for power in (0.0, 0.5):
        problem = WeightedProblem(table, 0.1, power, 0.1)
        factors = fit_wals(problem, DIMENSION, iterations=2, seed=0)
        assert not factors.items[COLD].any()
        assert not factors.items[0].any()
        assert not factors.users[0].any()


def test_an_item_without_interactions_is_with_its_category_when_features_count(
    with_side: WeightedProblem,
) -> None:
    factors = fit_wals(with_side, DIMENSION, iterations=10, seed=0)
    scores = factors.users[1:] @ factors.items[COLD]
    assert scores[15:].min() > scores[:15].max() + 0.2


def test_an_item_with_one_interaction_keeps_its_category_when_features_count(
    table: InteractionTable,
) -> None:
    # User 1, of the other group, is the only one who has chosen the item.
    one_more = InteractionTable(
        np.append(table.user_index, 1),
        np.append(table.item_index, COLD),
        np.append(table.rating, np.float32(1.0)),
        USERS,
        ITEMS,
    )
    without = fit_wals(WeightedProblem(one_more, 0.1, 0.5, 0.1), DIMENSION, 10, seed=0)
    side = SideFeatures(category_shares(one_more, CATEGORIES), CATEGORIES, weight=0.5)
    with_features = fit_wals(WeightedProblem(one_more, 0.1, 0.5, 0.1, side), DIMENSION, 10, seed=0)

    def lead(factors: WeightedFactors) -> float:
        """How much better the item suits users of its category than the others but user 1."""
        scores = factors.users @ factors.items[COLD]
        return float(scores[16:].mean() - scores[2:16].mean())

    assert lead(without) < 0.0
    assert lead(with_features) > 0.1


def test_factors_are_the_same_when_the_seed_is(table: InteractionTable) -> None:
    problem = WeightedProblem(table, 0.1, 0.5, 0.1)
    one, other, third = (fit_wals(problem, DIMENSION, 3, seed) for seed in (4, 4, 5))
    assert one.items.tolist() == other.items.tolist()
    assert one.items.tolist() != third.items.tolist()


def test_a_fit_is_refused_when_a_size_is_bad(table: InteractionTable) -> None:
    problem = WeightedProblem(table, 0.1, 0.5, 0.1)
    with pytest.raises(ValueError, match="embedding_dimension must be at least 1. Received: 0"):
        fit_wals(problem, 0, 3, seed=0)
    with pytest.raises(ValueError, match="iterations must be at least 1. Received: 0"):
        fit_wals(problem, DIMENSION, 0, seed=0)


def test_a_fit_is_refused_when_it_has_no_single_solution(table: InteractionTable) -> None:
    # 20 items span at most 20 of 32 dimensions, and nothing bounds the others.
    problem = WeightedProblem(table, 0.1, 0.5, 0.0)
    with pytest.raises(ValueError, match="a single solution.*Raise regularization"):
        fit_wals(problem, 32, 3, seed=0)


def test_a_fit_names_the_iteration_when_it_turns_nan(
    table: InteractionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = WeightedProblem(table, 0.1, 0.5, 0.1)

    def spoil(factors: WeightedFactors) -> None:
        factors.users[1] = np.nan

    with pytest.raises(FloatingPointError, match="users must be finite.*at iteration 1"):
        fit_wals(problem, DIMENSION, 3, seed=0, after_half_step=spoil)


def test_memory_is_bounded_when_rows_are_long(
    table: InteractionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_wals(WeightedProblem(table, 0.1, 0.5, 0.1), DIMENSION, 2, seed=0)
    monkeypatch.setattr("models.retrieval.wals.ENTRIES_AT_ONCE", 4)
    in_parts = fit_wals(WeightedProblem(table, 0.1, 0.5, 0.1), DIMENSION, 2, seed=0)
    assert in_parts.items == pytest.approx(whole.items, abs=1e-4)


def test_progress_is_reported_when_fitted(
    table: InteractionTable, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="marquee.progress"):
        fit_wals(WeightedProblem(table, 0.1, 0.5, 0.1), DIMENSION, 2, seed=0)
    assert caplog.messages == [f"retrieval: iteration {n} of 2" for n in (1, 2)]
