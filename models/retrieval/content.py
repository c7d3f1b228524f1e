"""Retrieval from content features alone: new items and new users are embedded like all others."""

import numpy as np
import tensorflow as tf

from models import features
from models.item_table import FloatArray
from models.retrieval.calibration import calibrate_with_popularity
from models.retrieval.content_features import ContentFeatures
from models.retrieval.content_network import ContentNetwork, Schedule, train
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.options import ContentOptions
from models.transformed_data import TransformedData
from models.validation import Columns, row_batches

SCALED_ROWS = 100_000  # training rows, at most, that the statistics of features are taken from


def fit(data: TransformedData, options: ContentOptions, context: FitContext) -> RetrievalModel:
    """Fits the networks; see `models.retrieval.registry.fit_retrieval`.

    Explicit feedback is learned as the rating, scaled to [-1, 1]; of implicit feedback each
    interaction counts 1, beside a uniformly drawn item that counts -1.
    """
    table = data.items()
    content = ContentFeatures(
        table,
        data.table(),
        data.sample(SCALED_ROWS, context.seed),
        context.explicit,
    )
    network = ContentNetwork(
        content.scale_users.width,
        content.scale_items.width,
        options.hidden_units,
        options.embedding_dimension,
    )
    targets = Targets(content, table.size, context)
    held_out = data.held_out(options.validation_interactions, context.seed)
    batches = data.interactions(options.batch_size, context.seed)
    train(
        network,
        batches.map(targets.of_training, num_parallel_calls=1, deterministic=True),
        lambda: targets.error(network, held_out),
        Schedule(options.learning_rate, options.max_epochs, options.patience),
    )
    model = ContentRetrieval(network, content, context.rating_range)
    weights = calibrate_with_popularity(model.scorer(), data, options, context)
    model.set_weights(*weights, table.log_frequency)
    return model


class Targets:
    """What the network learns from interactions."""

    def __init__(self, content: ContentFeatures, catalogue_size: int, context: FitContext):
        """Makes them.

        Args:
            content: the features.
            catalogue_size: number of items.
            context: for the range of ratings, and the seed of the items drawn.
        """
        self._content = content
        self._catalogue_size = catalogue_size
        self._rating_range = context.rating_range
        self._drawing = tf.random.Generator.from_seed(context.seed)
        self._seed = context.seed

    def of_training(self, batch: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns users' features, items' features and targets of training interactions.

        Args:
            batch: transformed interactions, each column [B, ...].

        Returns:
            float32 [n, F], [n, G] and [n]; n is B, or 2B for implicit feedback.
        """
        users = self._content.users(batch)
        items = self._content.training_items(batch)
        if self._rating_range is not None:
            return users, items, scale_rating(batch[features.LABEL_RATING], self._rating_range)
        shape = tf.shape(batch[features.ITEM_INDEX])
        drawn = self._drawing.uniform(shape, 1, self._catalogue_size + 1, tf.int64)
        return self._with_drawn(users, items, drawn)

    def error(self, network: ContentNetwork, held_out: Columns) -> float:
        """Returns the mean squared error on held-out interactions.

        Args:
            network: judged.
            held_out: transformed interactions, each column [n, ...].
        """
        total, number = 0.0, 0
        # The same items each time: errors of epochs must be comparable.
        random = np.random.default_rng(self._seed)
        for batch in row_batches(held_out, self._catalogue_size):
            users = self._content.users(batch)
            items = self._content.items(batch[features.ITEM_INDEX])
            if self._rating_range is not None:
                target = scale_rating(batch[features.LABEL_RATING], self._rating_range)
            else:
                drawn = random.integers(1, self._catalogue_size + 1, len(users))
                users, items, target = self._with_drawn(users, items, tf.constant(drawn))
            total += float(tf.reduce_sum(tf.square(network(users, items) - target)))
            number += len(target)
        return total / number

    def _with_drawn(
        self, users: tf.Tensor, items: tf.Tensor, drawn: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        chosen = tf.ones_like(users[:, 0])
        return (
            tf.concat([users, users], axis=0),
            tf.concat([items, self._content.items(drawn)], axis=0),
            tf.concat([chosen, -chosen], axis=0),
        )


def scale_rating(rating: tf.Tensor, rating_range: tuple[float, float]) -> tf.Tensor:
    """Maps ratings float32 [n] from their range to [-1, 1]."""
    low, high = rating_range
    return 2.0 * (rating - low) / (high - low) - 1.0


class ContentRetrieval(RetrievalModel):
    """Scores by the cosine of the two networks, weighed against what is chosen at all."""

    def __init__(
        self,
        network: ContentNetwork,
        content: ContentFeatures,
        rating_range: tuple[float, float] | None,
    ):
        """Takes what was trained.

        Args:
            network: the networks.
            content: the features they were trained on.
            rating_range: lowest and highest rating; None for implicit feedback.
        """
        super().__init__(name="retrieval")
        self.network = network
        self.content = content
        self.rating_range = rating_range
        self.predicts_ratings = rating_range is not None
        self.catalogue_size = content.content.shape[0] - 1
        self.direction_size = network.item_network.output_shape[-1]
        self.score_weight = tf.Variable(1.0, trainable=False, name="score_weight")
        # Learned, as the networks are: the part of the logit that does not depend on the user.
        self.item_logit = tf.Variable(tf.zeros([self.catalogue_size + 1]), name="item_logit")

    def set_weights(self, of_score: float, of_popularity: float, log_frequency: FloatArray) -> None:
        """Sets how much the cosine and popularity count in the logit; until then it is the cosine.

        Args:
            of_score: times the cosine.
            of_popularity: times the log frequency.
            log_frequency: float32 [N+1], natural log of each item's share of interactions.
        """
        self.score_weight.assign(of_score)
        self.item_logit.assign(np.float32(of_popularity) * log_frequency)

    def embed_users(self, inputs: Tensors) -> tf.Tensor:
        """Returns unit vectors and a 1, float32 [B, D+1]."""
        unit = self.network.embed_users(self.content.users(inputs))
        return tf.concat([unit, tf.ones_like(unit[:, :1])], axis=1)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns weighted unit vectors and the item's own part of the logit, float32 [n, D+1]."""
        unit = self.score_weight * self.network.embed_items(self.content.items(item_index))
        return tf.concat([unit, tf.gather(self.item_logit, item_index)[:, tf.newaxis]], axis=1)

    def temperature(self) -> tf.Tensor:
        """Returns 1: dot products are logits already."""
        return tf.constant(1.0)

    def predict_rating(self, inputs: Tensors, item_index: tf.Tensor) -> tf.Tensor:
        """Predicts ratings, which a cosine keeps inside their range.

        Args:
            inputs: transformed user features, each [B, ...].
            item_index: int [B, n].

        Returns:
            float32 [B, n].

        Raises:
            ValueError: if the networks were trained on implicit feedback.
        """
        if self.rating_range is None:
            raise ValueError(
                "predict_rating needs networks that were trained on ratings. Received: ones "
                "trained on implicit feedback. Use the scores of embeddings."
            )
        users = self.network.embed_users(self.content.users(inputs))
        distinct, place = tf.unique(tf.reshape(item_index, [-1]))
        items = tf.gather(self.network.embed_items(self.content.items(distinct)), place)
        items = tf.reshape(items, tf.concat([tf.shape(item_index), [self.direction_size]], axis=0))
        low, high = self.rating_range
        return low + (high - low) * (tf.einsum("bd,bnd->bn", users, items) + 1.0) / 2.0
