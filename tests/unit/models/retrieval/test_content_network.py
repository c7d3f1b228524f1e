import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.content_network import ContentNetwork, Schedule, train


@pytest.fixture
def rows() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The target is 1 where the first features agree in sign, else -1."""
    random = np.random.default_rng(3)
    user, item = (random.normal(size=(256, 2)).astype(np.float32) for _ in range(2))
    target = np.sign(user[:, 0] * item[:, 0])
    return tf.constant(user), tf.constant(item), tf.constant(target)


@pytest.fixture
def small() -> ContentNetwork:
    tf.random.set_seed(1)
    return ContentNetwork(2, 2, (16,), 4)


def test_has_82240_parameters_when_built_like_the_published_one() -> None:
    network = ContentNetwork(user_features=14, item_features=16)
    # 14 * 256 + 256 + 256 * 128 + 128 + 128 * 32 + 32 = 3,840 + 32,896 + 4,128 = 40,864
    of_users = [int(tf.size(weight)) for weight in network.user_network.trainable_variables]
    assert of_users == [3584, 256, 32768, 128, 4096, 32]
    # 2 more features of 256 weights: 41,376
    of_items = [int(tf.size(weight)) for weight in network.item_network.trainable_variables]
    assert sum(of_items) == 41_376
    assert network.parameters() == 82_240


def test_outputs_are_cosines_when_called(
    small: ContentNetwork, rows: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
) -> None:
    user, item, _ = rows
    users, items = small.embed_users(user).numpy(), small.embed_items(item).numpy()
    np.testing.assert_allclose(np.linalg.norm(users, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(small(user, item).numpy(), np.sum(users * items, axis=1), atol=1e-6)
    # The last layer is linear: a ReLU would leave no negative component.
    assert users.min() < 0.0


def test_best_epoch_is_kept_when_validation_worsens(
    small: ContentNetwork, rows: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
) -> None:
    found = []

    def validate() -> float:
        found.append([weight.numpy() for weight in small.trainable_variables])
        return [0.5, 0.2, 0.4, 0.3, 0.1][len(found) - 1]

    batches = tf.data.Dataset.from_tensor_slices(rows).batch(64)
    errors = train(small, batches, validate, Schedule(0.01, max_epochs=5, patience=2))
    # Two epochs after the second are no better than it: the fifth is not reached.
    assert errors.validation == [0.5, 0.2, 0.4, 0.3]
    for weight, best in zip(small.trainable_variables, found[1], strict=True):
        np.testing.assert_array_equal(weight, best)


def test_agreement_is_learned_when_features_tell_it(
    small: ContentNetwork, rows: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
) -> None:
    user, item, target = rows
    batches = tf.data.Dataset.from_tensor_slices(rows).batch(64)
    errors = train(
        small,
        batches,
        lambda: float(tf.reduce_mean(tf.square(small(user, item) - target))),
        Schedule(0.01, max_epochs=30, patience=30),
    )
    # A constant leaves 1.
    assert min(errors.validation) < 0.2


def test_names_epoch_and_batch_when_training_turns_nan(
    small: ContentNetwork, rows: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
) -> None:
    user, item, target = rows
    spoiled = tf.concat([target[:-1], [np.nan]], axis=0)
    batches = tf.data.Dataset.from_tensor_slices((user, item, spoiled)).batch(64)
    with pytest.raises(FloatingPointError, match="loss .* is nan at epoch 1, batch 4. Lower"):
        train(small, batches, lambda: 0.0, Schedule(0.01, 2, 2))


def test_says_so_when_a_size_is_zero() -> None:
    with pytest.raises(ValueError, match=r"at least 1. Received: \[3, 0, 256, 128, 32\]"):
        ContentNetwork(3, 0)
