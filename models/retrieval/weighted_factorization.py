"""Weighted matrix factorization of implicit feedback, as a family of retrieval models."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.errors import UnsuitableDataError
from models.item_table import FloatArray
from models.retrieval.calibration import calibrate
from models.retrieval.cold_items import fill_cold_items
from models.retrieval.factor_fold_in import check_fold_in
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.normal_equations import check_condition, entry_sums, rows_at_once, solve
from models.retrieval.options import WeightedFactorizationOptions
from models.retrieval.row_systems import MIN_OBSERVED, Fixed, entry_roots, solve_batch
from models.retrieval.wals import fit_wals, fixed_items, fixed_users
from models.retrieval.weighted_problem import (
    SideFeatures,
    WeightedFactors,
    WeightedProblem,
    category_shares,
)
from models.retrieval.weighted_sgd import fit_sgd
from models.transformed_data import TransformedData

SHORTEST_VECTOR = 1e-3  # the best solution of all is zero where the ridge outweighs the data


def fit(
    data: TransformedData, options: WeightedFactorizationOptions, context: FitContext
) -> RetrievalModel:
    """Fits the factors; see `models.retrieval.registry.fit_retrieval`."""
    table, categories = data.table(), data.items().category_multi_hot
    problem = weighted_problem(table, categories, options)
    factors = _factors(problem, options, context.seed)
    vectors = factors.items
    _check_not_vanished(vectors, options)
    if problem.side is None:
        vectors = fill_cold_items(vectors, table.item_counts(), categories)
    model = WeightedFactorization(problem, factors, vectors)
    model.set_temperature(calibrate(model.scorer(), data, options, context))
    return model


def weighted_problem(
    table: InteractionTable, category_multi_hot: FloatArray, options: WeightedFactorizationOptions
) -> WeightedProblem:
    """Returns the objective that the options describe.

    Args:
        table: the interactions.
        category_multi_hot: float32 [N+1, C].
        options: weights.

    Raises:
        ValueError: if the weights leave more than one solution.
    """
    side = None
    if options.side_feature_weight:
        shares = category_shares(table, category_multi_hot)
        side = SideFeatures(shares, category_multi_hot, options.side_feature_weight)
    return WeightedProblem(
        table, options.unobserved_weight, options.frequency_power, options.regularization, side
    )


def _factors(
    problem: WeightedProblem, options: WeightedFactorizationOptions, seed: int
) -> WeightedFactors:
    if options.solver == "wals":
        return fit_wals(problem, options.embedding_dimension, options.iterations, seed)
    return fit_sgd(
        problem,
        options.embedding_dimension,
        options.max_epochs,
        options.batch_size,
        options.learning_rate,
        seed,
    )


def _check_not_vanished(vectors: FloatArray, options: WeightedFactorizationOptions) -> None:
    longest = float(np.linalg.norm(vectors, axis=1).max())
    if longest < SHORTEST_VECTOR:
        raise UnsuitableDataError(
            f"an item's vector must be longer than {SHORTEST_VECTOR}. Received: at most {longest}. "
            f"regularization {options.regularization} outweighs so few interactions: lower it."
        )


class WeightedFactorization(RetrievalModel):
    """Scores users against items by the dot product of factors.

    Users are always folded in from what they have seen, so none is stored in the exported model
    and one who came after the training is like any other.
    """

    def __init__(
        self, problem: WeightedProblem, factors: WeightedFactors, item_vectors: FloatArray
    ):
        """Takes over a solution.

        Args:
            problem: what the factors minimise.
            factors: the solution.
            item_vectors: float32 [N+1, D], its items, those without interactions filled in.

        Raises:
            ValueError: if a user without a history would have no single embedding.
        """
        super().__init__(name="retrieval")
        self.catalogue_size = problem.table.items
        self.direction_size = item_vectors.shape[1]
        self._problem = problem
        self._fixed_users = fixed_users(problem, factors)
        self._item_features = factors.item_features
        self._side_weight = problem.side.weight if problem.side is not None else 0.0
        fixed = fixed_items(problem, factors)
        shared = fixed.gram + fixed.common
        check_condition(shared.numpy())
        roots = entry_roots(problem.unobserved)
        self.items = tf.Variable(item_vectors, name="items")
        self.user_features = tf.Variable(factors.user_features, name="user_features")
        # Not trainable: random numbers in their place would leave equations without a solution.
        self._shared = tf.Variable(shared, trainable=False, name="shared")
        self._root = tf.Variable(roots, trainable=False, name="root")
        self._temperature = tf.Variable(1.0, trainable=False, name="temperature")

    def embed_users(self, inputs: Tensors) -> tf.Tensor:
        """Folds users in from all that they have seen: unit vectors, float32 [B, D].

        Unlike the solution, they do not grow with the history, and neither do logits: the length
        says how much a user has seen, not how sure their next choice is. Zeros for nothing seen.
        """
        return tf.math.l2_normalize(self._solutions(inputs), axis=1)

    def _solutions(self, inputs: Tensors) -> tf.Tensor:
        """Returns what minimises the objective for users, float32 [B, D]."""
        index = inputs[features.SEEN_INDEX]
        right = tf.zeros([tf.shape(index)[0], self.direction_size])
        if self._side_weight:
            shares = inputs[features.USER_CATEGORY_SHARE]
            right = self._side_weight * tf.matmul(shares, self.user_features)
        return self._fold_in(index, right)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the items' factors, float32 [n, D]."""
        return tf.gather(self.items, item_index)

    def temperature(self) -> tf.Tensor:
        """Returns what dot products are divided by, float32 []."""
        return self._temperature.read_value()

    def set_temperature(self, temperature: float) -> None:
        """Sets what dot products are divided by."""
        self._temperature.assign(temperature)

    def fold_in_user(
        self, item_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Embeds a user like any other; see `RetrievalModel.fold_in_user`.

        With side features, the user's are computed from the items; `solve_user` takes others.
        """
        chosen = check_fold_in("item_index", item_index, self.catalogue_size, value)
        solution = self.solve_user(chosen)
        return np.asarray(tf.math.l2_normalize(solution).numpy())

    def fold_in_item(
        self, user_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Solves for an item; see `RetrievalModel.fold_in_item`.

        With side features, the item has none; `solve_item` takes them.
        """
        chosen = check_fold_in("user_index", user_index, self._problem.table.users, value)
        return self.solve_item(chosen)

    def solve_user(
        self, item_index: npt.ArrayLike, category_share: FloatArray | None = None
    ) -> FloatArray:
        """Returns what minimises the objective for a user, not at unit length.

        Args:
            item_index: int [n], items that the user chose, from 1.
            category_share: float32 [C], the user's side features, where the model has them; without
                it they are computed from the items.

        Returns:
            float32 [D].

        Raises:
            ValueError: if there is no item, or an index is out of range.
        """
        chosen = check_fold_in("item_index", item_index, self.catalogue_size)
        inputs = {features.SEEN_INDEX: tf.constant(chosen[np.newaxis, :])}
        side = self._problem.side
        if side is not None:
            if category_share is None:
                counts = side.items[chosen].sum(axis=0)
                category_share = counts / max(float(counts.sum()), 1.0)
            inputs[features.USER_CATEGORY_SHARE] = tf.constant(category_share[np.newaxis, :])
        return np.asarray(self._solutions(inputs).numpy()[0])

    def solve_item(
        self, user_index: npt.ArrayLike, category_multi_hot: FloatArray | None = None
    ) -> FloatArray:
        """Returns what minimises the objective for an item.

        Args:
            user_index: int [n], users of the training who chose the item, from 1.
            category_multi_hot: float32 [C], the item's side features, where the model has them.

        Returns:
            float32 [D].

        Raises:
            ValueError: if there is no user, or an index is out of range.
        """
        chosen = check_fold_in("user_index", user_index, self._problem.table.users)
        right = np.zeros((1, self.direction_size), np.float32)
        if category_multi_hot is not None and self._side_weight:
            right[0] = self._side_weight * (category_multi_hot @ self._item_features)
        weight = float(self._problem.weights_of(np.array([len(chosen)]))[0])
        fixed: Fixed = self._fixed_users
        solution = solve_batch(
            fixed.scaled,
            fixed.root,
            fixed.gram,
            fixed.common,
            tf.constant(chosen[np.newaxis, :], tf.int32),
            tf.constant([weight], tf.float32),
            tf.constant([max(1.0 - weight, MIN_OBSERVED)], tf.float32),
            tf.constant(right),
            fixed.alike,
        )
        return np.asarray(solution.numpy()[0])

    def _fold_in(self, index: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """Solves for users with items int [B, S], as many at a time as fit into memory."""
        users, at_once = tf.shape(index)[0], rows_at_once(self.direction_size)
        steps = tf.maximum(1, (users + at_once - 1) // at_once)
        # The last part may have fewer users than the others.
        parts = tf.TensorArray(tf.float32, steps, infer_shape=False)

        def solve_part(step: tf.Tensor, parts: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            own = slice(step * at_once, (step + 1) * at_once)
            outer, total = entry_sums(self._entries, index[own])
            vectors = solve(self._shared + outer, total + right[own][:, :, tf.newaxis])
            return step + 1, parts.write(step, vectors)

        _, parts = tf.while_loop(lambda step, _: step < steps, solve_part, (0, parts))
        return tf.ensure_shape(parts.concat(), [None, self.direction_size])

    def _entries(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        root = tf.gather(self._root, index)
        scaled = tf.gather(self.items, index) * root[:, :, tf.newaxis]
        return scaled, tf.math.divide_no_nan(tf.ones_like(root), root)
