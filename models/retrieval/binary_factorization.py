"""Logistic matrix factorization of shown items: engaged with, or shown and not engaged with."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy import special

from models.errors import UnsuitableDataError
from models.retrieval.cold_items import fill_cold_items
from models.retrieval.factor_fold_in import check_fold_in, logistic
from models.retrieval.factorization import Descent, factorize
from models.retrieval.factorized import FactorizedRetrieval, Observed
from models.retrieval.interaction_table import Floats, Indices, InteractionTable
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import BinaryFactorizationOptions
from models.transformed_data import TransformedData

Flags = npt.NDArray[np.bool_]

INITIAL_DEVIATION = 0.1  # a sigmoid saturates where scores start far from 0


def fit(
    data: TransformedData, options: BinaryFactorizationOptions, context: FitContext
) -> RetrievalModel:
    """Fits the factors; see `models.retrieval.registry.fit_retrieval`."""
    context.range_of_ratings(options.kind)  # tells engaged from merely shown
    table = data.table()
    descent = Descent.of(
        options,
        context.seed,
        initial_deviation=INITIAL_DEVIATION,
        item_biases=True,
        penalize_biases=True,
    )
    learned = factorize_engagement(table, table.rating >= options.engaged_from, descent)
    both = np.concatenate([learned.item, learned.item_offset[:, np.newaxis]], axis=1)
    filled = fill_cold_items(both, table.item_counts(), data.items().category_multi_hot)
    learned = replace(learned, item=filled[:, :-1], item_offset=filled[:, -1])
    model = BinaryFactorization(learned, options.engaged_from)
    model.calibrate(data, options, context)
    return model


@dataclass(frozen=True)
class EngagementFactors:
    """A factorization of engagements: their log-odds are w_u · x_i + b_u + offset_i.

    Attributes:
        user: float32 [U+1, K], w; row 0, the unknown user, is zeros.
        user_bias: float32 [U+1], b; row 0 is 0.
        item: float32 [N+1, K], x; row 0, the unknown item, is zeros.
        item_offset: float32 [N+1], log-odds of an average user's engagement.
        base: log-odds of engagement among all shown.
        regularization: lambda.
        losses: the objective before each iteration, in nats.
    """

    user: Floats
    user_bias: Floats
    item: Floats
    item_offset: Floats
    base: float
    regularization: float
    losses: list[float]

    def predict(self, user_index: Indices, item_index: Indices) -> Floats:
        """Returns probabilities of engagement once shown, float32 [n]; 0 is the unknown one.

        Args:
            user_index: int [n].
            item_index: int [n].
        """
        score = np.einsum("nk,nk->n", self.user[user_index], self.item[item_index])
        score += self.user_bias[user_index] + self.item_offset[item_index]
        return np.asarray(special.expit(score), np.float32)

    def fold_in_user(self, item_index: Indices, engaged: Flags) -> tuple[Floats, float]:
        """Solves for a new user, given the items as they are.

        Args:
            item_index: int64 [n], what they were shown.
            engaged: bool [n].

        Returns:
            w, float32 [K], and b.

        Raises:
            ValueError: if nothing was shown, or an item is unknown.
        """
        check_fold_in("item_index", item_index, len(self.item) - 1, engaged)
        offset = self.item_offset[item_index]
        solved = logistic(self.item[item_index], offset, _labels(engaged), self.regularization)
        return solved[:-1], float(solved[-1])

    def fold_in_item(self, user_index: Indices, engaged: Flags) -> tuple[Floats, float]:
        """Solves for a new item, given the users as they are.

        Args:
            user_index: int64 [n], to whom it was shown.
            engaged: bool [n].

        Returns:
            x, float32 [K], and the item's offset.

        Raises:
            ValueError: if it was shown to nobody, or to an unknown user.
        """
        check_fold_in("user_index", user_index, len(self.user) - 1, engaged)
        offset = self.user_bias[user_index] + np.float32(self.base)
        solved = logistic(self.user[user_index], offset, _labels(engaged), self.regularization)
        return solved[:-1], float(solved[-1]) + self.base


def factorize_engagement(
    table: InteractionTable, engaged: Flags, descent: Descent
) -> EngagementFactors:
    """Minimises the cross-entropy over shown items + lambda/2 of all squared weights.

    Args:
        table: what was shown to whom; its ratings are not read.
        engaged: bool [n], one for each entry of the table.
        descent: sizes and rates.

    Returns:
        The factors.

    Raises:
        UnsuitableDataError: if all were engaged with, or none.
        FloatingPointError: if the loss is not finite.

    Source: Johnson 2014, Logistic matrix factorization for implicit feedback data.
    """
    share = float(np.mean(engaged))
    if not 0.0 < share < 1.0:
        raise UnsuitableDataError(
            "shown items must be of two classes, engaged with and not. Received: "
            f"{'only the first' if share else 'only the second'}, among {len(engaged)}. Set "
            "retrieval.engaged_from between the lowest and the highest rating, or choose "
            "retrieval.kind weighted_factorization."
        )
    base = float(special.logit(share))
    offset = np.full([table.items + 1], base, np.float32)
    learned = factorize(
        table, _labels(engaged), offset, cross_entropy, descent, "binary factorization"
    )
    return EngagementFactors(
        user=learned.user,
        user_bias=learned.user_bias,
        item=learned.item,
        item_offset=offset + learned.item_bias,
        base=base,
        regularization=descent.regularization,
        losses=learned.losses,
    )


def cross_entropy(score: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropies of sigmoid(score), in nats, float32 [n].

    Args:
        score: float32 [n], log-odds.
        target: float32 [n], 0 or 1.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=score)


def _labels(engaged: Flags) -> Floats:
    return np.asarray(engaged, np.float32)


class BinaryFactorization(FactorizedRetrieval):
    """Retrieves what a user will probably engage with, weighed against what is chosen at all."""

    def __init__(self, learned: EngagementFactors, engaged_from: float):
        """Takes what was learned.

        Args:
            learned: the factors.
            engaged_from: lowest rating that is an engagement.
        """
        super().__init__(learned.user, learned.item, learned.item_offset)
        self.learned = learned
        self.engaged_from = engaged_from

    def _solve_user(self, item_index: Indices, value: Observed) -> Floats:
        return self.learned.fold_in_user(item_index, self._engaged(value))[0]

    def _solve_item(self, user_index: Indices, value: Observed) -> tuple[Floats, float]:
        return self.learned.fold_in_item(user_index, self._engaged(value))

    def _engaged(self, value: Observed) -> Flags:
        return value if value.dtype == np.bool_ else value >= self.engaged_from
