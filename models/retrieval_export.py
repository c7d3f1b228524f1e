"""What a retrieval model offers to the ranker and the servable, as a SavedModel.

Whatever the family, the exported object has `embed_users`, `embed_items`, `temperature` and
`catalogue_size`; a dot product of embeddings over the temperature is the retrieval logit.
"""

import tensorflow as tf

from models import features
from models.retrieval import TwoTowerRetrieval


class RetrievalExport(tf.Module):
    """The embedding functions of a trained retrieval model."""

    def __init__(self, model: TwoTowerRetrieval, user_specs: dict[str, tf.TensorSpec]):
        super().__init__(name="retrieval")
        # Not the model itself: it would bring its optimizer, which cannot be loaded without Keras.
        self._variables = model.variables
        self.temperature = tf.Variable(model.temperature(), trainable=False, name="temperature")
        self.catalogue_size = tf.Variable(
            model.catalogue_size, trainable=False, name="catalogue_size"
        )
        self.embed_users = tf.function(
            lambda inputs: model.embed_users(inputs), input_signature=[user_specs]
        )
        self.embed_items = tf.function(
            lambda item_index: model.embed_items(item_index),
            input_signature=[tf.TensorSpec([None], tf.int64, features.ITEM_INDEX)],
        )


def save_retrieval(
    model: TwoTowerRetrieval, path: str, user_specs: dict[str, tf.TensorSpec]
) -> None:
    """Saves the embedding functions of a trained model.

    Args:
        model: the trained model.
        path: of the SavedModel.
        user_specs: shapes of the transformed user features, each [None, ...].
    """
    tf.saved_model.save(RetrievalExport(model, user_specs), path)
