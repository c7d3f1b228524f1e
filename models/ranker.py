"""The ranker: reorders candidates by relevance, and predicts the rating of each."""

import tensorflow as tf
import tf_keras

from models import features
from models.category_match import category_match
from models.item_table import FloatArray, ItemTable
from models.options import RankingOptions
from models.relevance_network import RelevanceNetwork

Tensors = dict[str, tf.Tensor]

FIRST_POSITION = 1.0  # where an item is thought to be shown when the list is made


class Ranker(tf_keras.layers.Layer):
    """A relevance head over the features of candidates and a rating head over user and item.

    Relevance is the mean of a few networks, each of which leaves out a fold of the users: all are
    learned from, all validated on, and the mean wanders less than any one of them.

    The rating head sees nothing that a retrieval model says: those are surer of the interactions
    that they have learned than of new ones, and a rating learned from them would be off for the
    new.
    """

    def __init__(
        self,
        table: ItemTable,
        feature_mean: FloatArray,
        feature_spread: FloatArray,
        mean_rating: float,
        options: RankingOptions,
        positions: bool,
    ):
        """Builds the network.

        Args:
            table: the catalogue.
            feature_mean: float32 [F], of the features of candidates.
            feature_spread: float32 [F], above 0.
            mean_rating: where the rating head starts; 0 for implicit feedback.
            options: sizes.
            positions: whether the data say where items were shown.
        """
        super().__init__(name="ranker")
        self.feature_mean = tf.Variable(feature_mean, trainable=False, name="feature_mean")
        self.feature_spread = tf.Variable(feature_spread, trainable=False, name="feature_spread")
        self.serving_position = FIRST_POSITION if positions else 0.0
        self.item_features = tf.Variable(
            _item_features(table), trainable=False, name="item_features"
        )
        self.category_multi_hot = tf.Variable(
            table.category_multi_hot, trainable=False, name="item_category_multi_hot"
        )
        units = options.hidden_units
        self.members = [
            RelevanceNetwork(options, f"relevance_{number}") for number in range(options.members)
        ]
        self.rating_user_layer = tf_keras.layers.Dense(units, name="rating_user")
        self.rating_item_layer = tf_keras.layers.Dense(units, use_bias=False, name="rating_item")
        self.rating_match_layer = tf_keras.layers.Dense(units, use_bias=False, name="rating_match")
        self.rating_dropout = tf_keras.layers.Dropout(options.dropout)
        self.rating_head = tf_keras.layers.Dense(
            1,
            kernel_initializer="zeros",
            bias_initializer=tf_keras.initializers.Constant(mean_rating),
            name="rating",
        )

    def relevance(self, candidates: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        """Scores candidates: the mean of all members.

        Args:
            candidates: float32 [B, N, F], their features.
            position: float32 [B], see `opinions`.

        Returns:
            Logits of a choice among a user's candidates, float32 [B, N].
        """
        return tf.add_n(self.opinions(candidates, position)) / len(self.members)

    def opinions(
        self, candidates: tf.Tensor, position: tf.Tensor, training: bool = False
    ) -> list[tf.Tensor]:
        """Scores candidates as each member of the ensemble does.

        Args:
            candidates: float32 [B, N, F], their features.
            position: float32 [B], from 1, the place at which the chosen item of a list was shown;
                0 where that is not known.
            training: whether units are dropped.

        Returns:
            Logits, float32 [B, N] each.
        """
        scaled = (candidates - self.feature_mean) / self.feature_spread
        # The same for the whole list, or it would tell which item was chosen.
        shown = tf.math.log1p(position)[:, tf.newaxis, tf.newaxis]
        shown = tf.broadcast_to(shown, tf.concat([tf.shape(scaled)[:2], [1]], axis=0))
        return [member(scaled, shown, training=training) for member in self.members]

    def rating(self, inputs: Tensors, item_index: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Predicts ratings.

        Args:
            inputs: transformed user features, each [B, ...].
            item_index: int [B, N].
            training: whether units are dropped.

        Returns:
            float32 [B, N], in rating units.
        """
        profile = tf.concat(
            [
                inputs[features.USER_CATEGORY_SHARE],
                inputs[features.USER_CATEGORY_RATING],
                inputs[features.USER_STATISTICS],
            ],
            axis=1,
        )
        # The sum of three layers is one layer over all three, without repeating the user N times.
        hidden = tf.nn.relu(
            self.rating_user_layer(profile)[:, tf.newaxis, :]
            + self.rating_item_layer(tf.gather(self.item_features, item_index))
            + self.rating_match_layer(category_match(inputs, self.category_multi_hot, item_index))
        )
        return self.rating_head(self.rating_dropout(hidden, training=training))[:, :, 0]

    def know(self, table: ItemTable) -> None:
        """Replaces what the rating head knows of items, by the catalogue of another time."""
        self.item_features.assign(_item_features(table))


def _item_features(table: ItemTable) -> tf.Tensor:
    return tf.concat([table.content, table.log_frequency[:, tf.newaxis]], axis=1)
