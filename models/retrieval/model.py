"""What every family of retrieval models offers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy.typing as npt
import tensorflow as tf

from models.errors import UnsuitableDataError
from models.item_table import FloatArray

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class FitContext:
    """What a family's `fit` is told besides its options.

    Attributes:
        seed: of everything random.
        rating_range: lowest and highest rating; None for implicit feedback.
        log_folder: for TensorBoard.
    """

    seed: int
    rating_range: tuple[float, float] | None
    log_folder: str

    @property
    def explicit(self) -> bool:
        """Whether labels are ratings."""
        return self.rating_range is not None

    def range_of_ratings(self, kind: str) -> tuple[float, float]:
        """Returns lowest and highest rating, for a family that cannot do without.

        Args:
            kind: of the family.

        Raises:
            UnsuitableDataError: if the feedback is implicit.
        """
        if self.rating_range is None:
            raise UnsuitableDataError(
                f"{kind} needs ratings. Received: implicit feedback. Choose retrieval.kind "
                "weighted_factorization, or map a rating column."
            )
        return self.rating_range


class RetrievalModel(tf.Module):
    """Scores users against the items of a catalogue by dot products of embeddings.

    A dot product over the temperature is the logit that the ranker starts from. Users come as their
    transformed features, each [B, ...]: `models.features.USER_FEATURES`, and `SEEN_INDEX` with all
    that they have seen. A user who is unknown, or known by the history alone, gets an embedding
    too. Items are rows of the vocabulary, from 1; 0 is the unknown item.

    Attributes:
        catalogue_size: number of items.
        direction_size: how many leading components of an item's embedding say what the item is
            like; the rest are biases. Related items are near in these.
        predicts_ratings: whether `predict_rating` is there.
    """

    catalogue_size: int
    direction_size: int
    predicts_ratings: bool = False

    def embed_users(self, inputs: Tensors) -> tf.Tensor:
        """Returns the users' embeddings, float32 [B, D]."""
        raise NotImplementedError

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the embeddings of items int [n], float32 [n, D]."""
        raise NotImplementedError

    def temperature(self) -> tf.Tensor:
        """Returns what dot products are divided by, float32 []."""
        raise NotImplementedError

    def scorer(self) -> Callable[[Tensors], tf.Tensor]:
        """Returns a function from users to logits of all items, float32 [B, N+1], by item index.

        What does not depend on the users is computed once, with the weights of now.
        """
        items = self.embed_items(tf.range(self.catalogue_size + 1, dtype=tf.int64))
        items = items / self.temperature()

        @tf.function(reduce_retracing=True, autograph=False)
        def score(inputs: Tensors) -> tf.Tensor:
            return tf.matmul(self.embed_users(inputs), items, transpose_b=True)

        return score

    def predict_rating(self, inputs: Tensors, item_index: tf.Tensor) -> tf.Tensor:
        """Predicts ratings of items int [B, n], float32 [B, n], where the family learns them."""
        raise NotImplementedError

    def fold_in_user(
        self, item_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Gives a user whom the training did not know an embedding, without training.

        Weighted, rating and binary factorization, item k-nearest neighbours and EASE can; the
        networks of the others ask for all features of a user, by `embed_users`.

        Args:
            item_index: int [n], what the user has had, from 1.
            value: float [n], their ratings; or bool [n], whether they engaged, in binary
                factorization. Only rating and binary factorization learn from them.

        Returns:
            float32 [D], to be multiplied with what `embed_items` returns.

        Raises:
            NotImplementedError: if the family cannot.
            ValueError: if there is no item, one is out of range, or values are missing, not finite
                or not one for each item.
        """
        raise NotImplementedError(
            f"a family that folds users in was expected. Received: {type(self).__name__}. Give "
            "embed_users the user's features, or choose another retrieval.kind."
        )

    def fold_in_item(
        self, user_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Gives an item that the training did not know an embedding, without training.

        Weighted, rating and binary factorization can: they know users by vectors of their own.

        Args:
            user_index: int [n], users of the training who have had the item, from 1.
            value: float [n], their ratings; or bool [n], whether they engaged, in binary
                factorization. Only rating and binary factorization learn from them.

        Returns:
            float32 [D], to be multiplied with what `embed_users` returns.

        Raises:
            NotImplementedError: if the family cannot.
            ValueError: if there is no user, one is out of range, or values are missing, not finite
                or not one for each user.
        """
        raise NotImplementedError(
            f"a family that folds items in was expected. Received: {type(self).__name__}. Train "
            "again with the item's interactions, or choose another retrieval.kind."
        )
