"""What the retrieval models made of user and item factors share."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.item_table import FloatArray
from models.retrieval.calibration import calibrate_with_popularity
from models.retrieval.factor_fold_in import check_fold_in
from models.retrieval.interaction_table import Floats, Indices
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.transformed_data import TransformedData

Observed = npt.NDArray[Any]  # ratings, or flags of engagement


class FactorizedRetrieval(RetrievalModel):
    """Scores a known user by w · x + offset; an unknown one, whose w is 0, by the offset alone.

    The score says how an item will please; the logit of its choice is the score, weighted, plus a
    weight times the log of the item's frequency. What is the same for all items of a user, as the
    user's bias, is left out of both.
    """

    def __init__(self, user: FloatArray, item: FloatArray, offset: FloatArray):
        """Takes the factors.

        Args:
            user: float32 [U+1, K], by user index; row 0 is zeros.
            item: float32 [N+1, K], by item index.
            offset: float32 [N+1], part of the score that does not depend on the user.
        """
        super().__init__(name="retrieval")
        self.catalogue_size = len(item) - 1
        self.direction_size = item.shape[1]
        self.user_factors = tf.Variable(user, name="user_factors")
        self.item_factors = tf.Variable(item, name="item_factors")
        self.item_offset = tf.Variable(offset, trainable=False, name="item_offset")
        self.score_weight = tf.Variable(1.0, trainable=False, name="score_weight")
        self.popularity_weight = 0.0
        self.total_count = 1.0  # what frequencies are shares of
        # Learned, like the factors: the part of the logit that does not depend on the user.
        self.item_logit = tf.Variable(offset, name="item_logit")

    def embed_users(self, inputs: Tensors) -> tf.Tensor:
        """Returns w and a 1, float32 [B, K+1]."""
        factors = tf.gather(self.user_factors, inputs[features.USER_INDEX])
        return tf.concat([factors, tf.ones_like(factors[:, :1])], axis=1)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the weighted x and the item's own part of the logit, float32 [n, K+1]."""
        factors = self.score_weight * tf.gather(self.item_factors, item_index)
        return tf.concat([factors, tf.gather(self.item_logit, item_index)[:, tf.newaxis]], axis=1)

    def temperature(self) -> tf.Tensor:
        """Returns 1: dot products are logits already."""
        return tf.constant(1.0)

    def fold_in_user(
        self, item_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Solves for w; see `RetrievalModel.fold_in_user`. Returns float32 [K+1]."""
        items, values = _observed("item_index", item_index, self.catalogue_size, value)
        return np.append(self._solve_user(items, values), np.float32(1.0))

    def fold_in_item(
        self, user_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Solves for x and its offset; see `RetrievalModel.fold_in_item`. Returns float32 [K+1].

        It is as popular as an item of the training with as many interactions.
        """
        known = self.user_factors.shape[0] - 1
        users, values = _observed("user_index", user_index, known, value)
        vector, offset = self._solve_item(users, values)
        log_frequency = np.log((len(users) + 1) / self.total_count)
        logit = self.score_weight.numpy() * offset + self.popularity_weight * log_frequency
        return np.append(self.score_weight.numpy() * vector, np.float32(logit))

    def _solve_user(self, item_index: Indices, value: Observed) -> Floats:
        """Returns the w of a user with items int64 [n] of given values [n], float32 [K]."""
        raise NotImplementedError

    def _solve_item(self, user_index: Indices, value: Observed) -> tuple[Floats, float]:
        """Returns the x, float32 [K], and the offset of an item of users int64 [n]."""
        raise NotImplementedError

    def calibrate(self, data: TransformedData, options: Any, context: FitContext) -> None:
        """Sets the weights of the score and of popularity in the logit; until then it is the score.

        Args:
            data: the transformed examples.
            options: of the family.
            context: for the seed.
        """
        of_score, of_popularity = calibrate_with_popularity(self.scorer(), data, options, context)
        log_frequency = data.items().log_frequency
        self.score_weight.assign(of_score)
        self.popularity_weight = of_popularity
        # As the transform graph counts: one more for each item, so that none has a frequency of 0.
        self.total_count = float((data.table().item_counts() + 1).sum())
        self.item_logit.assign(
            of_score * self.item_offset.numpy() + np.float32(of_popularity) * log_frequency
        )


def _observed(
    name: str, index: npt.ArrayLike, most: int, value: npt.ArrayLike | None
) -> tuple[Indices, Observed]:
    """Returns the indices and what was observed of them, as arrays [n].

    Raises:
        ValueError: if there is nothing to solve from; see `check_fold_in`.
    """
    indices = check_fold_in(name, index, most, value)
    if value is None:
        raise ValueError(
            f"value must hold a rating, or whether they engaged, for each of {name}. Received: "
            "None. Give it, or choose retrieval.kind weighted_factorization."
        )
    return indices, np.asarray(value)
