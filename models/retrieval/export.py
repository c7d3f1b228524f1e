"""What a retrieval model offers to the ranker and the servable, as a SavedModel."""

import tensorflow as tf

from models import features
from models.retrieval.model import RetrievalModel


class RetrievalExport(tf.Module):
    """The embedding functions of a trained model of any family.

    A dot product of embeddings over `temperature` is the retrieval logit; `direction_size` leading
    components of an item's embedding say what it is like; `kind` names the family.
    """

    def __init__(self, model: RetrievalModel, kind: str, user_specs: dict[str, tf.TensorSpec]):
        super().__init__(name="retrieval")
        # Not the model itself: it would bring its optimizer, which cannot be loaded without Keras.
        self._variables = model.variables
        self.kind = tf.Variable(kind, trainable=False, name="kind")
        self.temperature = tf.Variable(model.temperature(), trainable=False, name="temperature")
        self.catalogue_size = tf.Variable(
            model.catalogue_size, trainable=False, name="catalogue_size"
        )
        self.direction_size = tf.Variable(
            model.direction_size, trainable=False, name="direction_size"
        )
        self.embed_users = tf.function(
            lambda inputs: model.embed_users(inputs), input_signature=[user_specs]
        )
        self.embed_items = tf.function(
            lambda item_index: model.embed_items(item_index),
            input_signature=[tf.TensorSpec([None], tf.int64, features.ITEM_INDEX)],
        )
