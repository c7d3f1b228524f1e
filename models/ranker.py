"""The ranker: reorders retrieved items by relevance, and predicts the rating of each."""

import tensorflow as tf
import tf_keras

from models import features
from models.item_table import FloatArray, ItemTable
from models.options import RankingOptions

RECENT_ITEMS = 10  # of the history, compared with each candidate

Tensors = dict[str, tf.Tensor]


class Ranker(tf_keras.layers.Layer):
    """A network over user, item and cross features with a relevance and a rating head.

    Relevance is the retrieval logit plus a learned correction that starts at zero, so that an
    untrained ranker keeps retrieval's order. Retrieval's embeddings are frozen.
    """

    def __init__(
        self,
        table: ItemTable,
        item_embeddings: FloatArray,
        temperature: float,
        mean_rating: float,
        options: RankingOptions,
    ):
        """Builds the network.

        Args:
            table: the catalogue.
            item_embeddings: float32 [N+1, D], of retrieval.
            temperature: of retrieval.
            mean_rating: where the rating head starts; 0 for implicit feedback.
            options: sizes.
        """
        super().__init__(name="ranker")
        self.item_embeddings = tf.Variable(item_embeddings, trainable=False, name="item_embeddings")
        self.item_features = tf.Variable(
            tf.concat([table.content, table.log_frequency[:, tf.newaxis]], axis=1),
            trainable=False,
            name="item_features",
        )
        self.category_multi_hot = tf.Variable(
            table.category_multi_hot, trainable=False, name="item_category_multi_hot"
        )
        self.catalogue_size = table.size
        self.temperature = temperature
        # How much of the correction counts, set on validation once it is trained.
        self.correction_scale = tf.Variable(1.0, trainable=False, name="correction_scale")
        units = options.hidden_units
        self.user_layer = tf_keras.layers.Dense(units, name="user")
        self.item_layer = tf_keras.layers.Dense(units, use_bias=False, name="item")
        self.cross_layer = tf_keras.layers.Dense(units, use_bias=False, name="cross")
        self.dropout = tf_keras.layers.Dropout(options.dropout)
        self.hidden_layer = tf_keras.layers.Dense(units, "relu", name="hidden")
        self.correction_head = tf_keras.layers.Dense(
            1, kernel_initializer="zeros", name="correction"
        )
        self.rating_user_layer = tf_keras.layers.Dense(units, name="rating_user")
        self.rating_item_layer = tf_keras.layers.Dense(units, use_bias=False, name="rating_item")
        self.rating_match_layer = tf_keras.layers.Dense(units, use_bias=False, name="rating_match")
        self.rating_head = tf_keras.layers.Dense(
            1,
            kernel_initializer="zeros",
            bias_initializer=tf_keras.initializers.Constant(mean_rating),
            name="rating",
        )

    def call(
        self,
        inputs: Tensors,
        user_embedding: tf.Tensor,
        item_index: tf.Tensor,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores items for users.

        Args:
            inputs: transformed user features, each [B, ...].
            user_embedding: float32 [B, D], of retrieval.
            item_index: int [B, N].
            training: whether units are dropped.

        Returns:
            Relevance logits and predicted ratings, each float32 [B, N].
        """
        items = tf.gather(self.item_embeddings, item_index)
        logit = tf.einsum("bd,bnd->bn", user_embedding, items) / self.temperature
        # Their length counts in the logit; in a network it would drown the other features.
        items = tf.math.l2_normalize(items, axis=-1)
        user_embedding = tf.math.l2_normalize(user_embedding, axis=-1)
        profile = tf.concat(
            [
                inputs[features.USER_CATEGORY_SHARE],
                inputs[features.USER_CATEGORY_RATING],
                inputs[features.USER_STATISTICS],
            ],
            axis=1,
        )
        user = tf.concat([user_embedding, profile], axis=1)
        item = tf.concat([items, tf.gather(self.item_features, item_index)], axis=2)
        match = self._category_match(inputs, item_index)
        cross = [items * user_embedding[:, tf.newaxis, :], logit[:, :, tf.newaxis], match]
        cross = tf.concat([*cross, self._recent_similarity(inputs, items)], axis=2)
        # The sum of three layers is one layer over all three, without repeating the user N times.
        hidden = tf.nn.relu(
            self.user_layer(user)[:, tf.newaxis, :]
            + self.item_layer(item)
            + self.cross_layer(cross)
        )
        hidden = self.hidden_layer(self.dropout(hidden, training=training))
        correction = self.correction_head(hidden)[:, :, 0]
        # Nothing that retrieval says of this pair: its logits are surer of the interactions that
        # it has learned than of new ones, and a rating learned from them would be off for those.
        rating_hidden = tf.nn.relu(
            self.rating_user_layer(profile)[:, tf.newaxis, :]
            + self.rating_item_layer(item)
            + self.rating_match_layer(match)
        )
        rating = self.rating_head(self.dropout(rating_hidden, training=training))[:, :, 0]
        return logit + self.correction_scale * correction, rating

    def _recent_similarity(self, inputs: Tensors, items: tf.Tensor) -> tf.Tensor:
        """Largest and mean cosine with the newest items of the history: float32 [B, N, 2]."""
        recent_index = inputs[features.HISTORY_INDEX][:, :RECENT_ITEMS]
        present = tf.cast(recent_index > 0, tf.float32)
        recent = tf.math.l2_normalize(tf.gather(self.item_embeddings, recent_index), axis=-1)
        recent *= present[:, :, tf.newaxis]
        similarity = tf.einsum("bnd,bhd->bnh", items, recent)
        count = tf.reduce_sum(present, axis=1)[:, tf.newaxis]
        mean = tf.math.divide_no_nan(tf.reduce_sum(similarity, axis=2), count)
        return tf.stack([tf.reduce_max(similarity, axis=2), mean], axis=2)

    def _category_match(self, inputs: Tensors, item_index: tf.Tensor) -> tf.Tensor:
        """Means of the user's share and rating over the item's categories: float32 [B, N, 2]."""
        categories = tf.gather(self.category_multi_hot, item_index)
        number = tf.reduce_sum(categories, axis=2)

        def category_mean(profile: tf.Tensor) -> tf.Tensor:
            return tf.math.divide_no_nan(tf.einsum("bnc,bc->bn", categories, profile), number)

        share = category_mean(inputs[features.USER_CATEGORY_SHARE])
        rating = category_mean(inputs[features.USER_CATEGORY_RATING])
        return tf.stack([share, rating], axis=2)
