"""Two-tower retrieval, trained by a softmax over sampled negatives."""

import tensorflow as tf
import tf_keras

from models import features
from models.item_table import ItemTable
from models.losses import log_expected_count, sampled_softmax
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.options import TwoTowerOptions
from models.retrieval.towers import ItemTower, UserTower
from models.retrieval.training import fit_by_rank
from models.transformed_data import TransformedData


def fit(data: TransformedData, options: TwoTowerOptions, context: FitContext) -> RetrievalModel:
    """Fits the towers; see `models.retrieval.registry.fit_retrieval`."""
    model = TwoTowerRetrieval(data.items(), data.users(), options)
    fit_by_rank(model, data, options, context)
    return model


class TwoTowerRetrieval(tf_keras.Model, RetrievalModel):
    """Scores users against items by cosine over a learned temperature."""

    def __init__(self, table: ItemTable, users: int, options: TwoTowerOptions):
        """Builds the towers.

        Args:
            table: the catalogue.
            users: size of the user vocabulary.
            options: sizes and rates.
        """
        super().__init__(name="retrieval")
        self.catalogue_size = table.size
        self.direction_size = options.embedding_dimension
        self.uniform_negatives = options.negatives.drawn
        self.item_tower = ItemTower(table, options)
        self.user_tower = UserTower(users, self.item_tower, options)
        self.log_temperature = tf.Variable(tf.math.log(options.temperature), name="log_temperature")
        self.log_frequency = tf.Variable(table.log_frequency, trainable=False, name="log_frequency")
        self.loss_tracker = tf_keras.metrics.Mean(name="loss")
        self.accidental_hits = tf_keras.metrics.Mean(name="accidental_hits")

    def embed_users(self, inputs: Tensors, training: bool = False) -> tf.Tensor:
        """Returns unit vectors, float32 [B, D]."""
        return tf.math.l2_normalize(self.user_tower(inputs, training=training), axis=-1)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns unit vectors, float32 [n, D]."""
        return tf.math.l2_normalize(self.item_tower(item_index), axis=-1)

    def temperature(self) -> tf.Tensor:
        """Returns what cosines are divided by, float32 []."""
        return tf.exp(self.log_temperature)

    def call(self, inputs: Tensors) -> tf.Tensor:
        """Returns the logit of each row's own item, float32 [B]."""
        users = self.embed_users(inputs)
        items = self.embed_items(inputs[features.ITEM_INDEX])
        return tf.reduce_sum(users * items, axis=1) / self.temperature()

    def train_step(self, batch: Tensors) -> dict[str, tf.Tensor]:
        """Takes one optimiser step on a batch of interactions."""
        positive_index = batch[features.ITEM_INDEX]
        drawn = tf.random.uniform(
            [self.uniform_negatives], 1, self.catalogue_size + 1, dtype=positive_index.dtype
        )
        negative_index = tf.concat([positive_index, drawn], axis=0)
        accidental = positive_index[:, tf.newaxis] == negative_index[tf.newaxis, :]
        log_counts = log_expected_count(
            tf.gather(self.log_frequency, negative_index),
            tf.shape(positive_index)[0],
            self.uniform_negatives,
            self.catalogue_size,
        )
        with tf.GradientTape() as tape:
            users = self.embed_users(batch, training=True)
            items = self.embed_items(negative_index)
            logits = tf.matmul(users, items, transpose_b=True) / self.temperature()
            # The batch's own items lead the negatives, so the diagonal is the positives.
            positive = tf.linalg.diag_part(logits)
            loss = tf.reduce_mean(sampled_softmax(positive, logits, log_counts, accidental))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        self.accidental_hits.update_state(tf.cast(accidental, tf.float32))
        return {
            "loss": self.loss_tracker.result(),
            "temperature": self.temperature(),
            "accidental_hits": self.accidental_hits.result(),
        }

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What Keras resets at the start of each epoch."""
        return [self.loss_tracker, self.accidental_hits]
