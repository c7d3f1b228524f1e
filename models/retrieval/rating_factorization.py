"""Matrix factorization of ratings: squared error on the rated entries, item means taken out."""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from models import features
from models.retrieval.cold_items import fill_cold_items
from models.retrieval.factor_fold_in import check_fold_in, ridge
from models.retrieval.factorization import Descent, factorize
from models.retrieval.factorized import FactorizedRetrieval, Observed
from models.retrieval.interaction_table import Floats, Indices, InteractionTable
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.options import RatingFactorizationOptions
from models.transformed_data import TransformedData


def fit(
    data: TransformedData, options: RatingFactorizationOptions, context: FitContext
) -> RetrievalModel:
    """Fits the factors; see `models.retrieval.registry.fit_retrieval`."""
    rating_range = context.range_of_ratings(options.kind)
    table = data.table()
    learned = factorize_ratings(table, Descent.of(options, context.seed))
    categories = data.items().category_multi_hot
    filled = fill_cold_items(learned.item, table.item_counts(), categories)
    model = RatingFactorization(replace(learned, item=filled), rating_range)
    model.calibrate(data, options, context)
    return model


@dataclass(frozen=True)
class RatingFactors:
    """A factorization of ratings: user u rates item i with w_u · x_i + b_u + mean_i.

    Attributes:
        user: float32 [U+1, K], w; row 0, the unknown user, is zeros.
        user_bias: float32 [U+1], b; row 0 is 0.
        item: float32 [N+1, K], x; row 0, the unknown item, is zeros.
        mean: float32 [N+1], the items' mean ratings; the mean of all for one without ratings.
        regularization: lambda.
        losses: the objective before each iteration, in squared units of the rating.
    """

    user: Floats
    user_bias: Floats
    item: Floats
    mean: Floats
    regularization: float
    losses: list[float]

    def predict(self, user_index: Indices, item_index: Indices) -> Floats:
        """Returns ratings as they come out, in no range, float32 [n]; 0 is the unknown one.

        Args:
            user_index: int [n].
            item_index: int [n].
        """
        rating = np.einsum("nk,nk->n", self.user[user_index], self.item[item_index])
        return np.asarray(rating + self.user_bias[user_index] + self.mean[item_index])

    def fold_in_user(self, item_index: Indices, rating: Floats) -> tuple[Floats, float]:
        """Solves for a new user, given the items as they are.

        Args:
            item_index: int64 [n], what they rated.
            rating: float32 [n].

        Returns:
            w, float32 [K], and b.

        Raises:
            ValueError: if there is no rating, or one is not finite or of an unknown item.
        """
        check_fold_in("item_index", item_index, len(self.item) - 1, rating)
        target = rating - self.mean[item_index]
        solved = ridge(self.item[item_index], target, self.regularization, bias=True)
        return solved[:-1], float(solved[-1])

    def fold_in_item(self, user_index: Indices, rating: Floats) -> tuple[Floats, float]:
        """Solves for a new item, given the users as they are.

        Args:
            user_index: int64 [n], who rated it.
            rating: float32 [n].

        Returns:
            x, float32 [K], and the item's mean.

        Raises:
            ValueError: if there is no rating, or one is not finite or of an unknown user.
        """
        check_fold_in("user_index", user_index, len(self.user) - 1, rating)
        mean = float(np.mean(rating))
        target = rating - mean - self.user_bias[user_index]
        solved = ridge(self.user[user_index], target, self.regularization, bias=False)
        return solved[:-1], mean


def item_means(table: InteractionTable) -> Floats:
    """Returns each item's mean rating, float32 [N+1]; the mean of all where there is none.

    Args:
        table: the ratings.
    """
    counts = np.bincount(table.item_index, minlength=table.items + 1)
    sums = np.bincount(table.item_index, table.rating, table.items + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), table.rating.mean())
    return np.asarray(means, np.float32)


def squared_error(score: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Returns half of the squared differences, float32 [n].

    Args:
        score: float32 [n].
        target: float32 [n].
    """
    return 0.5 * tf.square(score - target)


def factorize_ratings(table: InteractionTable, descent: Descent) -> RatingFactors:
    """Minimises 1/2 sum (w · x + b + mean - rating)^2 + lambda/2 (sum |w|^2 + sum |x|^2).

    Args:
        table: the ratings.
        descent: sizes and rates.

    Returns:
        The factors.

    Raises:
        FloatingPointError: if the loss is not finite.

    Source: Koren et al. 2009, doi:10.1109/MC.2009.263.
    """
    mean = item_means(table)
    learned = factorize(table, table.rating, mean, squared_error, descent, "rating factorization")
    return RatingFactors(
        user=learned.user,
        user_bias=learned.user_bias,
        item=learned.item,
        mean=mean,
        regularization=descent.regularization,
        losses=learned.losses,
    )


class RatingFactorization(FactorizedRetrieval):
    """Retrieves what a user is predicted to rate high, weighed against what is chosen at all."""

    predicts_ratings = True

    def __init__(self, learned: RatingFactors, rating_range: tuple[float, float]):
        """Takes what was learned.

        Args:
            learned: the factors.
            rating_range: lowest and highest rating.
        """
        super().__init__(learned.user, learned.item, learned.mean)
        self.learned = learned
        self.rating_range = rating_range
        self.user_bias = tf.Variable(learned.user_bias, name="user_bias")

    def predict_rating(self, inputs: Tensors, item_index: tf.Tensor) -> tf.Tensor:
        """Predicts ratings inside the range; an unknown user's are the items' means.

        Args:
            inputs: transformed user features, each [B, ...].
            item_index: int [B, n].

        Returns:
            float32 [B, n].
        """
        user_index = inputs[features.USER_INDEX]
        user = tf.gather(self.user_factors, user_index)
        rating = tf.einsum("bk,bnk->bn", user, tf.gather(self.item_factors, item_index))
        rating += tf.gather(self.user_bias, user_index)[:, tf.newaxis]
        rating += tf.gather(self.item_offset, item_index)
        return tf.clip_by_value(rating, *self.rating_range)

    def _solve_user(self, item_index: Indices, value: Observed) -> Floats:
        return self.learned.fold_in_user(item_index, value.astype(np.float32))[0]

    def _solve_item(self, user_index: Indices, value: Observed) -> tuple[Floats, float]:
        return self.learned.fold_in_item(user_index, value.astype(np.float32))
