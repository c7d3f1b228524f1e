from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.retrieval import normal_equations
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import FitContext
from models.retrieval.options import WeightedFactorizationOptions
from models.retrieval.wals import fit_wals, solve_users, user_rows
from models.retrieval.weighted_factorization import WeightedFactorization, fit, weighted_problem
from models.retrieval.weighted_problem import WeightedFactors, WeightedProblem

USERS, ITEMS = 20, 12
CATEGORIES = np.zeros((ITEMS + 1, 2), np.float32)
CATEGORIES[1:7, 0] = 1.0
CATEGORIES[5:, 1] = 1.0
Solution = tuple[WeightedProblem, WeightedFactors, WeightedFactorization]


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["alone", "with side features"])
def solution(request: pytest.FixtureRequest) -> Solution:
    """A problem of two groups of users and items, its solution, and the model of it."""
    random = np.random.default_rng(3)
    pairs = [
        (user, 1 + item + 6 * ((user - 1) // 10))
        for user in range(1, USERS + 1)
        for item in random.choice(6, random.integers(2, 5), replace=False)
    ]
    user, item = np.array(pairs).T
    table = InteractionTable(user, item, np.ones(len(user), np.float32), USERS, ITEMS)
    options = WeightedFactorizationOptions(
        unobserved_weight=0.1,
        frequency_power=0.5,
        regularization=0.1,
        side_feature_weight=request.param,
    )
    problem = weighted_problem(table, CATEGORIES, options)
    factors = fit_wals(problem, 3, iterations=5, seed=0)
    return problem, factors, WeightedFactorization(problem, factors, factors.items)


def items_of(problem: WeightedProblem, user: int) -> list[int]:
    return problem.table.item_index[problem.table.user_index == user].tolist()


def inputs_of(problem: WeightedProblem, histories: list[list[int]]) -> dict[str, tf.Tensor]:
    longest = max(map(len, histories))
    padded = [own + [0] * (longest - len(own)) for own in histories]
    counts = np.array([CATEGORIES[own].sum(axis=0) for own in histories])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return {
        features.SEEN_INDEX: tf.constant(padded, tf.int64),
        features.USER_CATEGORY_SHARE: tf.constant(shares, tf.float32),
    }


def test_folded_in_users_equal_a_half_step_when_their_items_are_the_same(
    solution: Solution,
) -> None:
    problem, factors, model = solution
    solved = solve_users(problem, factors, user_rows(problem, 3)).users
    histories = [items_of(problem, user) for user in range(1, USERS + 1)]
    embedded = model.embed_users(inputs_of(problem, histories))
    unit = solved[1:] / np.linalg.norm(solved[1:], axis=1, keepdims=True)
    assert embedded.numpy() == pytest.approx(unit, abs=1e-4)
    assert model.solve_user(histories[4]) == pytest.approx(solved[5], abs=1e-4)
    assert model.fold_in_user(histories[4]) == pytest.approx(unit[4], abs=1e-4)
    assert model.fold_in_user(np.array(histories[4])) == pytest.approx(unit[4], abs=1e-4)


def test_folded_in_items_equal_a_half_step_when_their_users_are_the_same(
    solution: Solution,
) -> None:
    problem, factors, model = solution
    for item in (1, 6, 9):
        users = problem.table.user_index[problem.table.item_index == item].tolist()
        solved = model.solve_item(users, CATEGORIES[item])
        assert solved == pytest.approx(factors.items[item], abs=1e-4)
        assert model.fold_in_item(users) == pytest.approx(model.solve_item(users))


def test_a_given_share_counts_when_a_user_is_solved_for(solution: Solution) -> None:
    problem, _, model = solution
    other = model.solve_user([1, 2], np.array([0.0, 1.0], np.float32))
    same = other == pytest.approx(model.solve_user([1, 2]), abs=1e-3)
    assert same == (problem.side is None)


def test_embeddings_are_the_same_when_users_and_entries_are_taken_some_at_a_time(
    solution: Solution, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, _, model = solution
    inputs = inputs_of(problem, [items_of(problem, user) for user in range(1, USERS + 1)])
    whole = model.embed_users(inputs).numpy()
    monkeypatch.setattr(normal_equations, "MATRIX_FLOATS_AT_ONCE", 7 * 3**2)
    monkeypatch.setattr(normal_equations, "ENTRIES_AT_ONCE", 10)
    assert model.embed_users(inputs).numpy() == pytest.approx(whole, abs=1e-5)


def test_a_user_is_zero_when_nothing_is_known(solution: Solution) -> None:
    problem, _, model = solution
    inputs = inputs_of(problem, [[], [1]])
    assert not model.embed_users(inputs).numpy()[0].any()
    assert model.embed_users(inputs_of(problem, [[]])).numpy().tolist() == [[0.0] * 3]


def test_folding_in_is_refused_when_an_index_is_unknown(solution: Solution) -> None:
    _, _, model = solution
    with pytest.raises(ValueError, match="item_index must be between 1 and 12. Received: 0 to 3"):
        model.fold_in_user([0, 3])
    with pytest.raises(ValueError, match="user_index must be between 1 and 20. Received: 2 to 21"):
        model.fold_in_item([2, 21])


@pytest.mark.parametrize("solver", ["wals", "sgd"])
def test_own_tastes_come_first_when_fitted_on_transformed_data(
    solver: str,
    in_memory: Callable[..., Any],
    interactions: dict[str, Any],
    user_inputs: Callable[[list[list[int]]], dict[str, tf.Tensor]],
) -> None:
    options = WeightedFactorizationOptions(
        solver=solver, embedding_dimension=2, batch_size=64, max_epochs=20
    )
    model = fit(in_memory(interactions), options, FitContext(7, None, ""))
    logits = model.scorer()(user_inputs([[1, 3, 5, 7], [2, 4, 6, 8], []])).numpy()[:, 1:]
    assert logits[0, 0::2].min() > logits[0, 1::2].max()
    assert logits[1, 1::2].min() > logits[1, 0::2].max()
    assert not logits[2].any()
    assert float(model.temperature()) > 0.0


def test_an_item_nobody_has_chosen_is_with_its_category_when_fitted(
    in_memory: Callable[..., Any], interactions: dict[str, Any], table: Any
) -> None:
    # Item 3 is chosen by none any more; items 6, 9, ... 24 are of the same second category.
    kept = {name: column[interactions["item_index"] != 3] for name, column in interactions.items()}
    options = WeightedFactorizationOptions(embedding_dimension=2)
    model = fit(in_memory(kept), options, FitContext(7, None, ""))
    vectors = model.embed_items(tf.range(25, dtype=tf.int64)).numpy()
    warm = np.array([item for item in range(1, 25) if item != 3])
    of_both = np.array([item for item in range(6, 25, 3)])
    # Items of category 1 are of category 0, too: the mean of the means of both.
    expected = (vectors[warm].mean(axis=0) + vectors[of_both].mean(axis=0)) / 2
    assert vectors[3] == pytest.approx(expected, abs=1e-5)


def test_a_fit_is_refused_when_the_ridge_outweighs_the_data(
    in_memory: Callable[..., Any], interactions: dict[str, Any]
) -> None:
    options = WeightedFactorizationOptions(embedding_dimension=2, regularization=1000.0)
    with pytest.raises(ValueError, match="regularization 1000.0 outweighs.*lower it"):
        fit(in_memory(interactions), options, FitContext(7, None, ""))
