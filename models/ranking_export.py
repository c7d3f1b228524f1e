"""What a ranker offers to the servable, as a SavedModel."""

import tensorflow as tf

from models.ranker import Ranker


class RankerExport(tf.Module):
    """The scoring function of a trained ranker."""

    def __init__(
        self,
        ranker: Ranker,
        user_specs: dict[str, tf.TensorSpec],
        rating_range: tuple[float, float] | None,
    ):
        super().__init__(name="ranker")
        self._ranker = ranker
        dimension = ranker.item_embeddings.shape[1]

        def rank(
            inputs: dict[str, tf.Tensor], user_embedding: tf.Tensor, item_index: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            relevance, rating = ranker(inputs, user_embedding, item_index)
            if rating_range is not None:
                rating = tf.clip_by_value(rating, *rating_range)
            return relevance, rating

        self.rank = tf.function(
            rank,
            input_signature=[
                user_specs,
                tf.TensorSpec([None, dimension], tf.float32, "user_embedding"),
                tf.TensorSpec([None, None], tf.int64, "item_index"),
            ],
        )


def save_ranker(
    ranker: Ranker,
    path: str,
    user_specs: dict[str, tf.TensorSpec],
    rating_range: tuple[float, float] | None,
) -> None:
    """Saves the scoring function of a trained ranker.

    Args:
        ranker: the trained ranker.
        path: of the SavedModel.
        user_specs: shapes of the transformed user features, each [None, ...].
        rating_range: lowest and highest rating to predict; None for implicit feedback.
    """
    tf.saved_model.save(RankerExport(ranker, user_specs, rating_range), path)
