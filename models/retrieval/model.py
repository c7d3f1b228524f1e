"""What every family of retrieval models offers."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

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
