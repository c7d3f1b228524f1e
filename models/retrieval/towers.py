"""The two towers: users and items as unit vectors whose dot product says how well they match."""

import tensorflow as tf
import tf_keras

from models import features
from models.item_table import ItemTable
from models.retrieval.model import Tensors
from models.retrieval.options import TwoTowerOptions

RECENCY_DECAY = 0.8  # weight of a history item against the one after it
EMBEDDING_STDDEV = 0.05


class ItemTower(tf_keras.layers.Layer):
    """An id embedding plus a network over the item's content.

    An item without interactions has an untrained, small id embedding: its content speaks for it.
    """

    def __init__(self, table: ItemTable, options: TwoTowerOptions):
        super().__init__(name="item_tower")
        dimension = options.embedding_dimension
        self.id_embedding = tf_keras.layers.Embedding(
            table.size + 1,
            dimension,
            embeddings_initializer=tf_keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV),
            name="item_id",
        )
        self.network = tf_keras.Sequential(
            [
                tf_keras.layers.Dense(options.hidden_units, "relu"),
                tf_keras.layers.Dense(dimension),
            ],
            name="item_content",
        )
        self.content = tf.Variable(table.content, trainable=False, name="item_content_table")

    def call(self, item_index: tf.Tensor) -> tf.Tensor:
        """Embeds items before normalisation.

        Args:
            item_index: int [...], item indices.

        Returns:
            float32 [..., D].
        """
        # Histories and candidates of a batch share most of their items: each is embedded once.
        distinct, position = tf.unique(tf.reshape(item_index, [-1]))
        embedded = self.id_embedding(distinct) + self.network(tf.gather(self.content, distinct))
        return tf.gather(embedded, tf.reshape(position, tf.shape(item_index)))


class UserTower(tf_keras.layers.Layer):
    """A bag of the history's item embeddings, corrected by a network over all user features."""

    def __init__(self, users: int, item_tower: ItemTower, options: TwoTowerOptions):
        super().__init__(name="user_tower")
        dimension = options.embedding_dimension
        self.item_tower = item_tower
        self.id_dropout = options.user_id_dropout
        self.id_embedding = tf_keras.layers.Embedding(
            users + 1,
            dimension,
            embeddings_initializer=tf_keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV),
            name="user_id",
        )
        self.network = tf_keras.Sequential(
            [
                tf_keras.layers.Dense(options.hidden_units, "relu"),
                tf_keras.layers.Dropout(options.dropout),
                tf_keras.layers.Dense(dimension),
            ],
            name="user_network",
        )

    def call(self, inputs: Tensors, training: bool = False) -> tf.Tensor:
        """Embeds users before normalisation.

        Args:
            inputs: transformed user features, each [B, ...].
            training: whether ids and units are dropped.

        Returns:
            float32 [B, D].
        """
        history = inputs[features.HISTORY_INDEX]
        bag, recent = history_bags(history, self.item_tower(history))
        user_index = inputs[features.USER_INDEX]
        if training:
            kept = tf.random.uniform(tf.shape(user_index)) >= self.id_dropout
            user_index = tf.where(kept, user_index, 0)
        correction = self.network(
            tf.concat(
                [
                    bag,
                    recent,
                    inputs[features.USER_CATEGORY_SHARE],
                    inputs[features.USER_CATEGORY_RATING],
                    inputs[features.USER_STATISTICS],
                    self.id_embedding(user_index),
                ],
                axis=1,
            ),
            training=training,
        )
        return bag + correction


def history_bags(history: tf.Tensor, embedded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums up a history: all of it, and what is recent.

    Args:
        history: int [B, H], item indices, newest first, 0 pads.
        embedded: float32 [B, H, D], the items' embeddings.

    Returns:
        Two float32 [B, D]; zeros for an empty history.
    """
    present = tf.cast(history > 0, tf.float32)
    count = tf.reduce_sum(present, axis=1, keepdims=True)
    # Divided by the root, not the count, so that a longer history speaks louder than the rest.
    bag = tf.einsum("bh,bhd->bd", present, embedded) / tf.sqrt(1.0 + count)
    decay = present * RECENCY_DECAY ** tf.range(tf.shape(history)[1], dtype=tf.float32)
    recent = tf.math.divide_no_nan(
        tf.einsum("bh,bhd->bd", decay, embedded), tf.reduce_sum(decay, axis=1, keepdims=True)
    )
    return bag, recent
