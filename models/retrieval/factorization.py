"""Matrix factorization by gradient descent: users and items as vectors whose dot product scores.

The score of user u for item i is w_u · x_i + b_u + offset_i. What it is held against, and by which
loss, is the family's: squared error of ratings, or cross-entropy of engagements. Only observed
entries are touched; the dense matrix never exists.

Source: Koren et al. 2009, Matrix factorization techniques, doi:10.1109/MC.2009.263.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.progress import report
from models.retrieval.interaction_table import Floats, InteractionTable

ENTRIES_AT_ONCE = 1_000_000  # gathered vectors of 32 factors: 128 MB a side
REPORT_EVERY = 50  # iterations

# Losses of scores against targets, each float32 [n].
EntryLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Descent:
    """How factors are found.

    Attributes:
        dimension: number of factors.
        regularization: lambda of the penalty lambda/2 (sum |w|^2 + sum |x|^2).
        learning_rate: of Adam.
        iterations: passes over all entries, one step each.
        seed: of the initial factors.
        initial_deviation: standard deviation of the initial factors.
        item_biases: whether each item has a bias that is learned.
        penalize_biases: whether the penalty covers the biases, too.

    Raises:
        ValueError: if a value is out of range.
    """

    dimension: int
    regularization: float
    learning_rate: float
    iterations: int
    seed: int
    initial_deviation: float = 1.0
    item_biases: bool = False
    penalize_biases: bool = False

    @classmethod
    def of(cls, options: Any, seed: int, **more: Any) -> "Descent":
        """Takes sizes and rates from a family's options, and the rest from `more`."""
        return cls(
            dimension=options.embedding_dimension,
            regularization=options.regularization,
            learning_rate=options.learning_rate,
            iterations=options.iterations,
            seed=seed,
            **more,
        )

    def __post_init__(self) -> None:
        for name in ("dimension", "iterations"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1. Received: {getattr(self, name)}. Give more."
                )
        # Written so that NaN is refused as well.
        if not 0.0 <= self.regularization < np.inf:
            raise ValueError(
                "regularization must be finite and at least 0. Received: "
                f"{self.regularization}. Give 0 for none, or about 1 to 30."
            )
        if not 0.0 < self.learning_rate < np.inf:
            raise ValueError(
                f"learning_rate must be finite and above 0. Received: {self.learning_rate}. "
                "Start from 0.1."
            )


@dataclass(frozen=True)
class Factors:
    """What was learned; row 0, the unknown user or item, is all zeros.

    Attributes:
        user: float32 [U+1, K], w.
        user_bias: float32 [U+1], b.
        item: float32 [N+1, K], x.
        item_bias: float32 [N+1]; zeros unless learned.
        losses: the objective before each iteration, in the units of the entry loss.
    """

    user: Floats
    user_bias: Floats
    item: Floats
    item_bias: Floats
    losses: list[float]


def factorize(
    table: InteractionTable,
    target: Floats,
    offset: Floats,
    entry_loss: EntryLoss,
    descent: Descent,
    report_as: str = "retrieval",
) -> Factors:
    """Finds the factors by Adam on the gradient of all entries.

    Args:
        table: who had what.
        target: float32 [n], one for each entry.
        offset: float32 [N+1], added to the score of an item.
        entry_loss: of scores against targets.
        descent: sizes and rates.
        report_as: name in the progress lines.

    Returns:
        The factors.

    Raises:
        FloatingPointError: if the loss is not finite.
    """
    problem = _Problem(table, target, offset, entry_loss, descent)
    optimizer = tf_keras.optimizers.legacy.Adam(descent.learning_rate)
    weights = problem.weights
    losses: list[float] = []
    for iteration in range(descent.iterations):
        loss, gradients = problem.gradients()
        losses.append(float(loss))
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(
                f"the loss of the factorization is {losses[-1]} at iteration {iteration} (all "
                f"{len(target)} entries are one batch). Lower its learning_rate of "
                f"{descent.learning_rate} or raise its regularization."
            )
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        if (iteration + 1) % REPORT_EVERY == 0:
            report(
                f"{report_as}: iteration {iteration + 1} of {descent.iterations}, "
                f"loss {losses[-1]:.1f}"
            )
    # The losses are those before each step: the last step has not been looked at.
    if not all(np.isfinite(weight.numpy()).all() for weight in weights):
        raise FloatingPointError(
            f"the factors are not finite after iteration {descent.iterations - 1}, the last. Lower "
            f"learning_rate of {descent.learning_rate} or raise regularization."
        )
    user, user_bias, item = (weight.numpy() for weight in weights[:3])
    item_bias = weights[3].numpy() if descent.item_biases else np.zeros(len(item), np.float32)
    return Factors(user, user_bias, item, item_bias, losses)


class _Problem:
    """The objective over all entries, and its gradient."""

    def __init__(
        self,
        table: InteractionTable,
        target: Floats,
        offset: Floats,
        entry_loss: EntryLoss,
        descent: Descent,
    ):
        self._entry_loss = entry_loss
        self._descent = descent
        self._user = tf.constant(table.user_index, tf.int32)
        self._item = tf.constant(table.item_index, tf.int32)
        self._target = tf.constant(target, tf.float32)
        self._offset = tf.constant(offset[table.item_index], tf.float32)
        random = np.random.default_rng(descent.seed)
        shapes: list[tuple[int, ...]] = [
            (table.users + 1, descent.dimension),
            (table.users + 1,),
            (table.items + 1, descent.dimension),
        ]
        if descent.item_biases:
            shapes.append((table.items + 1,))
        self.weights = [self._initial(random, shape) for shape in shapes]

    def gradients(self) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns the objective, float32 [], and its gradient for each of the weights."""
        loss, gradients = self._penalty_gradients()
        for start in range(0, len(self._target), ENTRIES_AT_ONCE):
            part = slice(start, start + ENTRIES_AT_ONCE)
            of_part, changes = self._entry_gradients(
                self._user[part], self._item[part], self._target[part], self._offset[part]
            )
            loss = loss + of_part
            gradients = [old + new for old, new in zip(gradients, changes, strict=True)]
        return loss, gradients

    def _initial(self, random: np.random.Generator, shape: tuple[int, ...]) -> tf.Variable:
        values = random.normal(0.0, self._descent.initial_deviation, shape).astype(np.float32)
        # Nothing but the penalty reaches row 0, and that leaves zeros as they are.
        values[0] = 0.0
        return tf.Variable(values)

    @tf.function(autograph=False)
    def _penalty_gradients(self) -> tuple[tf.Tensor, list[tf.Tensor]]:
        penalized = self.weights if self._descent.penalize_biases else self.weights[:3:2]
        with tf.GradientTape() as tape:
            squares = tf.add_n([tf.reduce_sum(tf.square(weight)) for weight in penalized])
            loss = 0.5 * self._descent.regularization * squares
        return loss, tape.gradient(loss, self.weights, unconnected_gradients="zero")

    @tf.function(reduce_retracing=True, autograph=False)
    def _entry_gradients(
        self, user: tf.Tensor, item: tf.Tensor, target: tf.Tensor, offset: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            users, user_bias, items = self.weights[:3]
            score = tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)
            score += tf.gather(user_bias, user) + offset
            if self._descent.item_biases:
                score += tf.gather(self.weights[3], item)
            loss = tf.reduce_sum(self._entry_loss(score, target))
        slices = tape.gradient(loss, self.weights)
        return loss, [tf.convert_to_tensor(gradient) for gradient in slices]
