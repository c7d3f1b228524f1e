"""Stochastic gradient descent on the objective of weighted matrix factorization.

A step takes some users with all they chose. Their unobserved entries are summed exactly by the
items' weighted Gram matrix, tr(U'U X'WX), instead of sampled: that costs as much as scoring D
items for each, has no sampling noise, and leaves one thing less to tune.

Source: Hu et al. 2008, doi:10.1109/ICDM.2008.22 (objective); Kingma and Ba 2015,
arXiv:1412.6980 (Adam).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from models.progress import report
from models.retrieval.wals import check_at_least_one, initial_factors
from models.retrieval.weighted_problem import WeightedFactors, WeightedProblem

INITIAL_DEVIATION = 0.3  # of a vector from zero; near it the gradient is, too
FINAL_RATE = 0.01  # of the first learning rate: steps shrink so that the end is not noise


@dataclass(frozen=True)
class Batch:
    """Some users with all their interactions.

    Attributes:
        users: int64 [b], user indices.
        row: int64 [n], which of `users` each interaction belongs to.
        item: int64 [n].
    """

    users: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]


def user_batches(problem: WeightedProblem, batch_size: int, seed: int) -> Iterator[Batch]:
    """Yields all users once, in random order.

    Args:
        problem: for its interactions.
        batch_size: interactions in a batch, about: users are not split.
        seed: of the order.

    Yields:
        Batches.
    """
    matrix = problem.table.matrix()
    order = np.random.default_rng(seed).permutation(problem.table.users)
    interactions = np.cumsum(np.diff(matrix.indptr)[order])
    cuts = np.flatnonzero(np.diff((interactions - 1) // batch_size)) + 1
    for rows in np.split(order, cuts):
        part = matrix[rows].tocoo()
        yield Batch(rows + 1, part.row.astype(np.int64), part.col.astype(np.int64) + 1)


class GradientSolver:
    """Factors as variables, and the step that betters them."""

    def __init__(
        self, problem: WeightedProblem, dimension: int, seed: int, learning_rate: float, steps: int
    ):
        """Starts from small random vectors.

        Args:
            problem: what to minimise.
            dimension: D.
            seed: of where the vectors start.
            learning_rate: of the first step.
            steps: over which it falls to FINAL_RATE of that.
        """
        start = initial_factors(problem, dimension, seed, INITIAL_DEVIATION)
        self.problem = problem
        self.users = tf.Variable(start.users)
        self.items = tf.Variable(start.items)
        self.user_features = tf.Variable(start.user_features)
        self.item_features = tf.Variable(start.item_features)
        self.unobserved = tf.constant(problem.unobserved)
        self.variables = [self.users, self.items]
        if problem.side is not None:
            self.variables += [self.user_features, self.item_features]
        rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps, FINAL_RATE)
        self.optimizer = tf_keras.optimizers.legacy.Adam(rate)
        self.step = tf.function(self._step, reduce_retracing=True)

    def loss(self, users: tf.Tensor, row: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Returns the objective of some users, and their share of what belongs to no user.

        Args:
            users: int64 [b].
            row: int64 [n], place in `users`.
            item: int64 [n].

        Returns:
            float32 []; over all batches it sums to the objective.
        """
        vectors, chosen = tf.gather(self.users, users), tf.gather(self.items, item)
        scores = tf.reduce_sum(tf.gather(vectors, row) * chosen, axis=1)
        weights = tf.gather(self.unobserved, item)
        observed = tf.reduce_sum((1.0 - scores) ** 2 - weights * scores**2)
        gram = tf.matmul(self.items * self.unobserved[:, tf.newaxis], self.items, transpose_a=True)
        everything = tf.reduce_sum(tf.matmul(vectors, vectors, transpose_a=True) * gram)
        share = tf.cast(tf.shape(users)[0], tf.float32) / self.problem.table.users
        own = [vectors]
        shared = [self.items]
        total = observed + everything
        if self.problem.side is not None:
            side = self.problem.side
            user_side = tf.gather(tf.constant(side.users), users)
            user_error = user_side - tf.matmul(vectors, self.user_features, transpose_b=True)
            item_error = side.items - tf.matmul(self.items, self.item_features, transpose_b=True)
            shared += [self.user_features, self.item_features]
            total += side.weight * tf.reduce_sum(user_error**2)
            total += side.weight * share * tf.reduce_sum(item_error**2)
        ridge = tf.add_n([tf.reduce_sum(v**2) for v in own])
        ridge += share * tf.add_n([tf.reduce_sum(v**2) for v in shared])
        return total + self.problem.regularization * ridge

    def _step(self, users: tf.Tensor, row: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self.loss(users, row, item)
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return loss

    def factors(self) -> WeightedFactors:
        """Returns the factors of now."""
        return WeightedFactors(
            self.users.numpy(),
            self.items.numpy(),
            self.user_features.numpy(),
            self.item_features.numpy(),
        )


def fit_sgd(
    problem: WeightedProblem,
    dimension: int,
    max_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> WeightedFactors:
    """Minimises the objective by Adam on batches of users.

    Args:
        problem: what to minimise.
        dimension: D.
        max_epochs: passes over the users.
        batch_size: interactions in a batch, about.
        learning_rate: of Adam, at the start.
        seed: of the order and of where the vectors start.

    Returns:
        The factors.

    Raises:
        ValueError: if dimension, max_epochs or batch_size is below 1, or the rate not above 0.
        FloatingPointError: if the loss of a batch is not finite.
    """
    check_at_least_one("embedding_dimension", dimension)
    check_at_least_one("max_epochs", max_epochs)
    check_at_least_one("batch_size", batch_size)
    if not learning_rate > 0.0:
        raise ValueError(
            f"learning_rate must be above 0. Received: {learning_rate}. Give 0.05 or another "
            "positive number."
        )
    batches = sum(1 for _ in user_batches(problem, batch_size, seed))
    solver = GradientSolver(problem, dimension, seed, learning_rate, max_epochs * batches)
    for epoch in range(1, max_epochs + 1):
        total = 0.0
        for number, batch in enumerate(user_batches(problem, batch_size, seed + epoch), 1):
            loss = float(solver.step(*map(tf.constant, (batch.users, batch.row, batch.item))))
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"the loss must be finite. Received: {loss} at epoch {epoch}, batch {number}. "
                    "Lower learning_rate or raise regularization."
                )
            total += loss
        report(f"retrieval: epoch {epoch} of {max_epochs}, objective {total:.4g}")
    factors = solver.factors()
    if not (np.isfinite(factors.users).all() and np.isfinite(factors.items).all()):
        raise FloatingPointError(
            f"the factors are not finite after epoch {max_epochs}, batch {batches}, the last. "
            "Lower learning_rate or raise regularization."
        )
    return factors
