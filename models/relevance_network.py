"""One member of the ranker's ensemble."""

import tensorflow as tf
import tf_keras

from models.options import RankingOptions


class RelevanceNetwork(tf_keras.layers.Layer):
    """A linear score plus what two hidden layers make of the same features.

    Both start at zero, so that what is learned is all there is.
    """

    def __init__(self, options: RankingOptions, name: str):
        """Builds the layers.

        Args:
            options: sizes.
            name: of the layer.
        """
        super().__init__(name=name)
        units = options.hidden_units
        decay = tf_keras.regularizers.l2(options.weight_decay)
        self.hidden = tf_keras.layers.Dense(units, "relu", kernel_regularizer=decay, name="hidden")
        self.dropout = tf_keras.layers.Dropout(options.dropout)
        self.second = tf_keras.layers.Dense(
            units // 2, "relu", kernel_regularizer=decay, name="second"
        )
        self.head = tf_keras.layers.Dense(1, kernel_initializer="zeros", name="head")
        self.linear = tf_keras.layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", name="linear"
        )

    def call(self, scaled: tf.Tensor, shown: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Scores candidates.

        Args:
            scaled: float32 [B, N, F], standardised features.
            shown: float32 [B, N, 1], ln(1 + position), the same for all of a list.
            training: whether units are dropped.

        Returns:
            float32 [B, N].
        """
        hidden = self.hidden(tf.concat([scaled, shown], axis=2))
        hidden = self.second(self.dropout(hidden, training=training))
        return (self.head(hidden) + self.linear(scaled))[:, :, 0]
