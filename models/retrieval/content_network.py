"""A user and an item network over content features, whose cosine is the scaled rating."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from models.progress import report

# Features of users, features of items, targets in [-1, 1]: float32 [B, F], [B, G], [B].
Rows = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class ContentNetwork(tf.Module):
    """Two networks, ReLU but for a linear last layer, whose outputs are scaled to unit length.

    Source: Covington et al. 2016, doi:10.1145/2959100.2959190, for networks over content; the sizes
    are those of the Machine Learning Specialization's recommender lab.
    """

    def __init__(
        self,
        user_features: int,
        item_features: int,
        hidden_units: Sequence[int] = (256, 128),
        embedding_dimension: int = 32,
    ):
        """Builds the networks.

        Args:
            user_features: number of them, at least 1.
            item_features: likewise.
            hidden_units: sizes of the ReLU layers.
            embedding_dimension: size of the last layer.

        Raises:
            ValueError: if a size is below 1.
        """
        super().__init__(name="content_network")
        sizes = [user_features, item_features, *hidden_units, embedding_dimension]
        if min(sizes) < 1:
            raise ValueError(
                "user_features, item_features, hidden_units and embedding_dimension must be at "
                f"least 1. Received: {sizes}. Give more, or drop the layer."
            )
        self.user_network = _network(user_features, hidden_units, embedding_dimension)
        self.item_network = _network(item_features, hidden_units, embedding_dimension)

    def embed_users(self, user: tf.Tensor) -> tf.Tensor:
        """Returns unit vectors of users float32 [B, F], float32 [B, D]."""
        return tf.math.l2_normalize(self.user_network(user), axis=-1)

    def embed_items(self, item: tf.Tensor) -> tf.Tensor:
        """Returns unit vectors of items float32 [n, G], float32 [n, D]."""
        return tf.math.l2_normalize(self.item_network(item), axis=-1)

    def __call__(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Returns cosines of users [B, F] and their items [B, G], float32 [B]."""
        return tf.reduce_sum(self.embed_users(user) * self.embed_items(item), axis=1)

    def parameters(self) -> int:
        """Returns the number of trained values."""
        return sum(int(tf.size(weight)) for weight in self.trainable_variables)


def _network(inputs: int, hidden_units: Sequence[int], outputs: int) -> tf_keras.Sequential:
    hidden = [tf_keras.layers.Dense(units, "relu") for units in hidden_units]
    layers = [tf_keras.layers.InputLayer([inputs]), *hidden, tf_keras.layers.Dense(outputs)]
    return tf_keras.Sequential(layers)


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        learning_rate: of Adam.
        max_epochs: at most so many.
        patience: epochs without a lower validation error before it stops.
    """

    learning_rate: float
    max_epochs: int
    patience: int


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of the scaled target, one an epoch.

    Attributes:
        train: means over the epoch's batches, before each step.
        validation: after the epoch.
    """

    train: list[float]
    validation: list[float]


def train(
    network: ContentNetwork,
    batches: tf.data.Dataset,
    validate: Callable[[], float],
    schedule: Schedule,
) -> Errors:
    """Minimises the squared error; keeps the weights of the epoch with the lowest validation error.

    Args:
        network: changed in place.
        batches: of Rows; once through is an epoch.
        validate: measures the network as it is.
        schedule: rate and length.

    Returns:
        The errors of each epoch.

    Raises:
        FloatingPointError: if the loss is not finite.
    """
    optimizer = tf_keras.optimizers.legacy.Adam(schedule.learning_rate)
    weights = network.trainable_variables

    @tf.function(reduce_retracing=True, autograph=False)
    def step(rows: Rows) -> tf.Tensor:
        user, item, target = rows
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network(user, item) - target))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    errors = Errors([], [])
    best = [weight.numpy() for weight in weights]
    for epoch in range(schedule.max_epochs):
        errors.train.append(_epoch(step, batches, epoch, schedule))
        errors.validation.append(validate())
        report(
            f"content network: epoch {epoch + 1} of at most {schedule.max_epochs}, error "
            f"{errors.train[-1]:.4f}, validation error {errors.validation[-1]:.4f}"
        )
        since_best = epoch - int(np.argmin(errors.validation))
        if not since_best:
            best = [weight.numpy() for weight in weights]
        if since_best >= schedule.patience:
            break
    for weight, value in zip(weights, best, strict=True):
        weight.assign(value)
    return errors


def _epoch(
    step: Callable[[Rows], tf.Tensor], batches: tf.data.Dataset, epoch: int, schedule: Schedule
) -> float:
    losses = []
    for number, rows in enumerate(batches):
        losses.append(float(step(rows)))
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(
                f"the loss of the content network is {losses[-1]} at epoch {epoch + 1}, batch "
                f"{number + 1}. Lower its learning_rate of {schedule.learning_rate}, and check "
                "the features for values that are not finite."
            )
    return float(np.mean(losses))
