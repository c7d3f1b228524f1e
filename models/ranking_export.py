"""What a ranker offers to the servable, as a SavedModel."""

import tensorflow as tf

from models.ranker import Ranker


class RankerExport(tf.Module):
    """The scoring functions of a trained ranker.

    `score_names` says which generators' scores it has learned to read, in order.
    """

    def __init__(
        self,
        ranker: Ranker,
        score_names: list[str],
        user_specs: dict[str, tf.TensorSpec],
        rating_range: tuple[float, float] | None,
    ):
        super().__init__(name="ranker")
        self._ranker = ranker
        self.score_names = tf.Variable(score_names, trainable=False, name="score_names")

        def relevance(candidates: tf.Tensor) -> tf.Tensor:
            position = tf.fill([tf.shape(candidates)[0]], ranker.serving_position)
            return ranker.relevance(candidates, position)

        def rating(inputs: dict[str, tf.Tensor], item_index: tf.Tensor) -> tf.Tensor:
            predicted = ranker.rating(inputs, item_index)
            if rating_range is None:
                return predicted
            return tf.clip_by_value(predicted, *rating_range)

        width = ranker.feature_mean.shape[0]
        self.relevance = tf.function(
            relevance,
            input_signature=[tf.TensorSpec([None, None, width], tf.float32, "candidates")],
        )
        self.rating = tf.function(
            rating,
            input_signature=[user_specs, tf.TensorSpec([None, None], tf.int64, "item_index")],
        )


def save_ranker(
    ranker: Ranker,
    score_names: list[str],
    path: str,
    user_specs: dict[str, tf.TensorSpec],
    rating_range: tuple[float, float] | None,
) -> None:
    """Saves the scoring functions of a trained ranker.

    Args:
        ranker: the trained ranker.
        score_names: of the generators, see `CandidateGenerators.score_names`.
        path: of the SavedModel.
        user_specs: shapes of the transformed user features, each [None, ...].
        rating_range: lowest and highest rating to predict; None for implicit feedback.
    """
    tf.saved_model.save(RankerExport(ranker, score_names, user_specs, rating_range), path)
