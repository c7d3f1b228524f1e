"""A network over the user's features with a softmax over the catalogue.

Source: Covington et al. 2016, Deep neural networks for YouTube recommendations,
doi:10.1145/2959100.2959190.
"""

import numpy as np
import tensorflow as tf
import tf_keras

from models import features
from models.errors import UnsuitableDataError
from models.item_table import ItemTable
from models.retrieval.calibration import calibrate
from models.retrieval.cold_items import fill_cold_items
from models.retrieval.interaction_table import Indices
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.negatives import NegativeSampler
from models.retrieval.options import SoftmaxOptions
from models.retrieval.towers import EMBEDDING_STDDEV, history_bags
from models.retrieval.training import fit_by_rank
from models.transformed_data import TransformedData


def fit(data: TransformedData, options: SoftmaxOptions, context: FitContext) -> RetrievalModel:
    """Fits the network; see `models.retrieval.registry.fit_retrieval`.

    Raises:
        UnsuitableDataError: if a full softmax is asked for over more than `max_items` items.
    """
    table = data.items()
    model = SoftmaxRetrieval(table, options)
    fit_by_rank(model, data, options, context)
    model.fill_cold_items(data.table().item_counts(), table)
    if not options.full and options.negatives.kind == "hard":
        # Against the hardest alone the logits learn no odds of the whole catalogue.
        model.scale.assign(calibrate(model.scorer(), data, options, context))
    return model


class SoftmaxRetrieval(tf_keras.Model, RetrievalModel):
    """Scores items by weights and a bias of each over the network's last layer.

    A user is [last layer, 1] and an item [weights, bias]: their dot product is the logit.
    """

    def __init__(self, table: ItemTable, options: SoftmaxOptions):
        """Builds the network; the first logits are the items' log frequencies.

        Args:
            table: the catalogue.
            options: sizes and rates.

        Raises:
            UnsuitableDataError: if a full softmax is asked for over more than `max_items` items.
        """
        super().__init__(name="retrieval")
        if options.full and table.size > options.max_items:
            raise UnsuitableDataError(
                f"a full softmax takes at most max_items = {options.max_items} items. Received: "
                f"{table.size}. Set retrieval.full to false for sampled negatives, or raise "
                "retrieval.max_items and lower retrieval.batch_size."
            )
        self.catalogue_size = table.size
        self.direction_size = options.embedding_dimension
        self.negatives = None
        if not options.full:
            self.negatives = NegativeSampler(table.log_frequency, options.negatives)
        self.history_embedding = tf.Variable(
            tf.random.normal(
                [table.size + 1, options.embedding_dimension], stddev=EMBEDDING_STDDEV
            ),
            name="history_embedding",
        )
        self.network = tf_keras.Sequential(
            [
                tf_keras.layers.Dense(options.hidden_units, "relu"),
                tf_keras.layers.Dropout(options.dropout),
                tf_keras.layers.Dense(options.embedding_dimension),
            ],
            name="query_network",
        )
        weights = np.zeros([table.size + 1, options.embedding_dimension], np.float32)
        self.item_weights = tf.Variable(weights, name="item_weights")
        # The best that biases alone can do, and the better part of what a few epochs would learn.
        bias = np.concatenate([[0.0], table.log_frequency[1:]]).astype(np.float32)
        self.item_bias = tf.Variable(bias, name="item_bias")
        self.scale = tf.Variable(1.0, trainable=False, name="scale")
        self.loss_tracker = tf_keras.metrics.Mean(name="loss")

    def embed_users(self, inputs: Tensors, training: bool = False) -> tf.Tensor:
        """Returns [last layer, 1], float32 [B, D + 1]."""
        hidden = self._hidden(inputs, training)
        return tf.concat([hidden, tf.ones_like(hidden[:, :1])], axis=1)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns [weights, bias], float32 [n, D + 1]; zeros for the unknown item."""
        weights = tf.gather(self.item_weights, item_index)
        bias = tf.gather(self.item_bias, item_index)
        return tf.concat([weights, bias[:, tf.newaxis]], axis=1)

    def temperature(self) -> tf.Tensor:
        """Returns 1, as dot products are logits; what calibration found after hard negatives."""
        return tf.identity(self.scale)

    def call(self, inputs: Tensors) -> tf.Tensor:
        """Returns the logit of each row's own item, float32 [B]."""
        items = self.embed_items(inputs[features.ITEM_INDEX])
        return tf.reduce_sum(self.embed_users(inputs) * items, axis=1) / self.temperature()

    def losses(self, batch: Tensors, training: bool = False) -> tf.Tensor:
        """Cross-entropy of the chosen items.

        Over the whole catalogue it keeps B x N logits and their gradient: about 8 x B x N bytes at
        once, 400 MB for 512 rows and 100,000 items.

        Args:
            batch: transformed interactions, each [B, ...].
            training: whether units are dropped.

        Returns:
            float32 [B], in nats.
        """
        chosen = batch[features.ITEM_INDEX]
        if self.negatives is not None:
            draw = self.negatives.draw(chosen, batch[features.HISTORY_INDEX])
            users = self.embed_users(batch, training)
            return self.negatives.losses(users, self.embed_items(draw.item_index), draw)
        hidden = self._hidden(batch, training)
        logits = tf.matmul(hidden, self.item_weights[1:], transpose_b=True) + self.item_bias[1:]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(chosen - 1, logits)

    def train_step(self, batch: Tensors) -> dict[str, tf.Tensor]:
        """Takes one optimiser step on a batch of interactions."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.losses(batch, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What Keras resets at the start of each epoch."""
        return [self.loss_tracker]

    def fill_cold_items(self, item_counts: Indices, table: ItemTable) -> None:
        """Gives items without interactions what their categories' items have learned.

        Training has only pushed them away, as negatives of every user.

        Args:
            item_counts: int64 [N], interactions of items 1 to N.
            table: the catalogue.
        """
        bias = self.item_bias[:, tf.newaxis]
        learned = tf.concat([self.item_weights, bias, self.history_embedding], axis=1).numpy()
        filled = fill_cold_items(learned, item_counts, table.category_multi_hot)
        dimension = self.direction_size
        self.item_weights.assign(filled[:, :dimension])
        self.item_bias.assign(filled[:, dimension])
        self.history_embedding.assign(filled[:, dimension + 1 :])

    def _hidden(self, inputs: Tensors, training: bool) -> tf.Tensor:
        history = inputs[features.HISTORY_INDEX]
        query = [
            *history_bags(history, tf.gather(self.history_embedding, history)),
            inputs[features.USER_CATEGORY_SHARE],
            inputs[features.USER_CATEGORY_RATING],
            inputs[features.USER_STATISTICS],
        ]
        return self.network(tf.concat(query, axis=1), training=training)
