"""Weighted alternating least squares: exact half steps over sparse interactions.

With the items fixed, the objective is a quadratic in each user alone, and the other way round. The
part of unobserved entries is the same for all users, the items' weighted Gram matrix, so a half
step costs one outer product an interaction and one solution a row, never the dense table.

Source: Hu et al. 2008, doi:10.1109/ICDM.2008.22.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf

from models.item_table import FloatArray
from models.progress import report
from models.retrieval.normal_equations import ENTRIES_AT_ONCE, check_condition, rows_at_once
from models.retrieval.padded_rows import PaddedRows, padded_rows
from models.retrieval.row_systems import Fixed, RowWeights, entry_roots, solve_rows
from models.retrieval.short_rows import WORST_CONDITION, rotation
from models.retrieval.weighted_problem import WeightedFactors, WeightedProblem

INITIAL_DEVIATION = 0.01  # of a vector from zero, all components together


def fit_wals(
    problem: WeightedProblem,
    dimension: int,
    iterations: int,
    seed: int,
    after_half_step: Callable[[WeightedFactors], None] = lambda _: None,
) -> WeightedFactors:
    """Minimises the objective by exact half steps, users first.

    Args:
        problem: what to minimise.
        dimension: D.
        iterations: each of two half steps.
        seed: of where the items start.
        after_half_step: called with the factors.

    Returns:
        The factors; the items are the exact answer to the users.

    Raises:
        ValueError: if dimension or iterations is below 1, or a half step has no single solution.
        FloatingPointError: if a solution is not finite.
    """
    check_at_least_one("embedding_dimension", dimension)
    check_at_least_one("iterations", iterations)
    factors = initial_factors(problem, dimension, seed)
    by_user, by_item = user_rows(problem, dimension), item_rows(problem, dimension)
    for iteration in range(1, iterations + 1):
        for half_step, rows in ((solve_users, by_user), (solve_items, by_item)):
            factors = half_step(problem, factors, rows)
            after_half_step(factors)
            _check_finite(factors, iteration)
        report(f"retrieval: iteration {iteration} of {iterations}")
    return factors


def check_at_least_one(name: str, value: int) -> None:
    """Raises ValueError if `value` is below 1."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1. Received: {value}. Give 1 or more.")


def initial_factors(
    problem: WeightedProblem, dimension: int, seed: int, deviation: float = INITIAL_DEVIATION
) -> WeightedFactors:
    """Returns random vectors, the same for the same seed.

    Args:
        problem: for its sizes.
        dimension: D.
        seed: of the vectors.
        deviation: of a vector from zero, all components together.
    """
    random = np.random.default_rng(seed)

    def vectors(number: int) -> FloatArray:
        values = random.standard_normal((number, dimension)) * deviation / np.sqrt(dimension)
        return values.astype(np.float32)

    side = problem.side
    factors = WeightedFactors(
        users=vectors(problem.table.users + 1),
        items=vectors(problem.table.items + 1),
        user_features=vectors(side.users.shape[1] if side else 0),
        item_features=vectors(side.items.shape[1] if side else 0),
    )
    factors.users[0] = 0.0
    factors.items[0] = 0.0
    return factors


def user_rows(problem: WeightedProblem, dimension: int) -> list[PaddedRows]:
    """Returns each user's items, in batches."""
    table = problem.table
    most = rows_at_once(dimension)
    return padded_rows(
        table.user_index, table.item_index, table.users, most, ENTRIES_AT_ONCE, keep_empty=False
    )


def item_rows(problem: WeightedProblem, dimension: int) -> list[PaddedRows]:
    """Returns each item's users, in batches; items without any only where features place them."""
    table = problem.table
    most = rows_at_once(dimension)
    keep_empty = problem.side is not None
    return padded_rows(
        table.item_index, table.user_index, table.items, most, ENTRIES_AT_ONCE, keep_empty
    )


def solve_users(
    problem: WeightedProblem, factors: WeightedFactors, rows: list[PaddedRows]
) -> WeightedFactors:
    """Returns the factors with the best users, and item features, for the items."""
    users = problem.table.users + 1
    right = np.zeros((users, factors.items.shape[1]), np.float32)
    if problem.side is not None:
        right = problem.side.weight * (problem.side.users @ factors.user_features)
    ones = np.ones(users, np.float32)
    fixed = fixed_items(problem, factors)
    solved = replace(
        factors,
        users=solve_rows(fixed, RowWeights(ones, ones, right), rows, problem.regularization),
    )
    if problem.side is None:
        return solved
    return replace(
        solved, item_features=_solve_features(problem, factors.items, problem.side.items)
    )


def solve_items(
    problem: WeightedProblem, factors: WeightedFactors, rows: list[PaddedRows]
) -> WeightedFactors:
    """Returns the factors with the best items, and user features, for the users."""
    right = np.zeros_like(factors.items)
    if problem.side is not None:
        right = problem.side.weight * (problem.side.items @ factors.item_features)
    observed = entry_roots(problem.unobserved) ** 2
    weights = RowWeights(problem.unobserved, observed, right)
    fixed = fixed_users(problem, factors)
    solved = replace(factors, items=solve_rows(fixed, weights, rows, problem.regularization))
    if problem.side is None:
        return solved
    return replace(
        solved, user_features=_solve_features(problem, factors.users, problem.side.users)
    )


def fixed_items(problem: WeightedProblem, factors: WeightedFactors) -> Fixed:
    """Returns the items as what users are solved against."""
    root = entry_roots(problem.unobserved)
    items = tf.constant(factors.items)
    weighted = items * problem.unobserved[:, np.newaxis]
    return _fixed(
        problem,
        scaled=items * root[:, np.newaxis],
        root=tf.math.divide_no_nan(tf.ones_like(root), root),
        gram=tf.matmul(weighted, items, transpose_a=True),
        features=factors.user_features,
        row_unobserved=np.ones(problem.table.users + 1, np.float32),
    )


def fixed_users(problem: WeightedProblem, factors: WeightedFactors) -> Fixed:
    """Returns the users as what items are solved against."""
    users = tf.constant(factors.users)
    return _fixed(
        problem,
        scaled=users,
        root=tf.concat([[0.0], tf.ones([problem.table.users])], axis=0),
        gram=tf.matmul(users, users, transpose_a=True),
        features=factors.item_features,
        row_unobserved=problem.unobserved,
    )


def _fixed(
    problem: WeightedProblem,
    scaled: tf.Tensor,
    root: tf.Tensor,
    gram: tf.Tensor,
    features: FloatArray,
    row_unobserved: FloatArray,
) -> Fixed:
    common = _common(problem, features)
    condition = check_condition((row_unobserved.max() * gram + common).numpy())
    # Side features put a second matrix into each system, and no basis suits both.
    turnable = problem.side is None and condition < WORST_CONDITION
    turned = rotation(scaled, gram) if turnable else None
    alike = bool(np.ptp(root.numpy()[1:]) == 0.0)
    return Fixed(scaled, root, gram, common, turned, alike)


def _common(problem: WeightedProblem, features: FloatArray) -> tf.Tensor:
    """Returns the ridge, and the Gram matrix of the border's vectors [C, D]: float32 [D, D]."""
    ridge = problem.regularization * tf.eye(features.shape[1])
    if problem.side is None:
        return ridge
    return ridge + problem.side.weight * tf.matmul(features, features, transpose_a=True)


def _solve_features(
    problem: WeightedProblem, vectors: FloatArray, features: FloatArray
) -> FloatArray:
    """Returns the best vectors [K, D] of the features [R+1, K] of the vectors [R+1, D]."""
    if problem.side is None or not features.shape[1]:
        return np.zeros((0, vectors.shape[1]), np.float32)
    weight = problem.side.weight
    matrix = weight * (vectors.T @ vectors)
    matrix[np.diag_indices_from(matrix)] += problem.regularization
    check_condition(matrix)
    return np.asarray(np.linalg.solve(matrix, weight * (vectors.T @ features)).T, np.float32)


def _check_finite(factors: WeightedFactors, iteration: int) -> None:
    for name, vectors in (("users", factors.users), ("items", factors.items)):
        if not np.isfinite(vectors).all():
            raise FloatingPointError(
                f"the {name} must be finite. Received: some that are not, at iteration "
                f"{iteration}. Raise regularization."
            )
