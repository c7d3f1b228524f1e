"""What a ranker offers to the servable, as a SavedModel."""

import tensorflow as tf

from models.ranker import Ranker


class RankerExport(tf.Module):
    """The scoring function of a trained ranker."""

    def __init__(self, ranker: Ranker, user_specs: dict[str, tf.TensorSpec]):
        super().__init__(name="ranker")
        self._ranker = ranker
        dimension = ranker.item_embeddings.shape[1]
        self.rank = tf.function(
            lambda inputs, user_embedding, item_index: ranker(inputs, user_embedding, item_index),
            input_signature=[
                user_specs,
                tf.TensorSpec([None, dimension], tf.float32, "user_embedding"),
                tf.TensorSpec([None, None], tf.int64, "item_index"),
            ],
        )


def save_ranker(ranker: Ranker, path: str, user_specs: dict[str, tf.TensorSpec]) -> None:
    """Saves the scoring function of a trained ranker.

    Args:
        ranker: the trained ranker.
        path: of the SavedModel.
        user_specs: shapes of the transformed user features, each [None, ...].
    """
    tf.saved_model.save(RankerExport(ranker, user_specs), path)
