"""Two-tower retrieval, trained by a softmax over negatives."""

import tensorflow as tf
import tf_keras

from models import features
from models.item_table import ItemTable
from models.retrieval.calibration import calibrate
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.negatives import NegativeSampler
from models.retrieval.options import SimilarityOptions, TwoTowerOptions
from models.retrieval.similarity import item_vectors, user_vectors
from models.retrieval.towers import ItemTower, UserTower
from models.retrieval.training import fit_by_rank
from models.transformed_data import TransformedData
from models.validation import Columns

SCALED_BY = 256  # interactions, and items, that show how far untrained similarities spread


def fit(data: TransformedData, options: TwoTowerOptions, context: FitContext) -> RetrievalModel:
    """Fits the towers; see `models.retrieval.registry.fit_retrieval`."""
    model = TwoTowerRetrieval(data.items(), data.users(), options)
    if options.similarity.kind != "cosine":
        model.start_temperature(data.sample(SCALED_BY, context.seed))
    fit_by_rank(model, data, options, context)
    if options.negatives.kind == "hard":
        # Against the hardest alone the temperature learns no odds of the whole catalogue.
        scale = calibrate(model.scorer(), data, options, context)
        model.log_temperature.assign_add(tf.math.log(scale))
    return model


class TwoTowerRetrieval(tf_keras.Model, RetrievalModel):
    """Scores users against items by a similarity over a learned temperature.

    The configured temperature is that of cosines. The other similarities grow with the vectors'
    lengths, which differ with the data and the sizes of the towers: see `start_temperature`.
    """

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
        self.similarity = options.similarity
        self.negatives = NegativeSampler(table.log_frequency, options.negatives)
        self.item_tower = ItemTower(table, options)
        self.user_tower = UserTower(users, self.item_tower, options)
        self.log_temperature = tf.Variable(tf.math.log(options.temperature), name="log_temperature")
        self.loss_tracker = tf_keras.metrics.Mean(name="loss")
        self.accidental_hits = tf_keras.metrics.Mean(name="accidental_hits")

    def embed_users(self, inputs: Tensors, training: bool = False) -> tf.Tensor:
        """Returns users as the similarity wants them, float32 [B, D]; unit vectors for cosine."""
        return user_vectors(self.user_tower(inputs, training=training), self.similarity)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns items as the similarity wants them, float32 [n, D]; unit vectors for cosine."""
        return item_vectors(self.item_tower(item_index), self.similarity)

    def temperature(self) -> tf.Tensor:
        """Returns what similarities are divided by, float32 []."""
        return tf.exp(self.log_temperature)

    def start_temperature(self, sample: Columns) -> None:
        """Lets untrained logits spread as far as cosines over the configured temperature would.

        Else a softmax over long vectors starts saturated, with a loss of many times guessing.

        Args:
            sample: transformed interactions, each column [n, ...].
        """
        inputs = {name: tf.constant(column) for name, column in sample.items()}
        step = max(1, self.catalogue_size // SCALED_BY)
        users = self.user_tower(inputs)
        items = self.item_tower(tf.range(1, self.catalogue_size + 1, step))
        of_cosines = _spread(users, items, SimilarityOptions())
        # Of a single item nothing spreads.
        if float(of_cosines) > 0.0:
            ratio = _spread(users, items, self.similarity) / of_cosines
            self.log_temperature.assign_add(tf.math.log(ratio))

    def call(self, inputs: Tensors) -> tf.Tensor:
        """Returns the logit of each row's own item, float32 [B]."""
        users = self.embed_users(inputs)
        items = self.embed_items(inputs[features.ITEM_INDEX])
        return tf.reduce_sum(users * items, axis=1) / self.temperature()

    def train_step(self, batch: Tensors) -> dict[str, tf.Tensor]:
        """Takes one optimiser step on a batch of interactions."""
        draw = self.negatives.draw(batch[features.ITEM_INDEX], batch[features.HISTORY_INDEX])
        with tf.GradientTape() as tape:
            users = self.embed_users(batch, training=True)
            items = self.embed_items(draw.item_index)
            losses = self.negatives.losses(users, items, draw, self.temperature())
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        self.accidental_hits.update_state(tf.cast(draw.excluded, tf.float32))
        return {
            "loss": self.loss_tracker.result(),
            "temperature": self.temperature(),
            "accidental_hits": self.accidental_hits.result(),
        }

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What Keras resets at the start of each epoch."""
        return [self.loss_tracker, self.accidental_hits]


def _spread(users: tf.Tensor, items: tf.Tensor, similarity: SimilarityOptions) -> tf.Tensor:
    """Standard deviation of a user's similarities with items, averaged over users, float32 []."""
    scores = tf.matmul(
        user_vectors(users, similarity), item_vectors(items, similarity), transpose_b=True
    )
    return tf.reduce_mean(tf.math.reduce_std(scores, axis=1))
