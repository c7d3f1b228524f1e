import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.options import SimilarityOptions
from models.retrieval.similarity import item_vectors, user_vectors

QUERY = [[1.0, 0.0]]
FAR, STRAIGHT, NEAR = [3.0, 4.0], [2.5, 0.0], [1.0, 0.5]


def similarities(options: SimilarityOptions, query: list[list[float]], items: list[list[float]]):
    users = user_vectors(tf.constant(query), options)
    return tf.matmul(users, item_vectors(tf.constant(items), options), transpose_b=True).numpy()


@pytest.mark.parametrize(
    ("kind", "expected", "first"),
    [
        # 1*3 + 0*4 = 3, 2.5, 1.
        ("dot", [3.0, 2.5, 1.0], 0),
        # 3/5 = 0.6, 2.5/2.5 = 1, 1/sqrt(1.25) = 0.894427.
        ("cosine", [0.6, 1.0, 0.894427], 1),
        # -(2² + 4²) = -20, -(1.5²) = -2.25, -(0.5²) = -0.25.
        ("euclidean", [-20.0, -2.25, -0.25], 2),
    ],
)
def test_another_item_comes_first_when_the_similarity_differs(
    kind: str, expected: list[float], first: int
) -> None:
    scores = similarities(SimilarityOptions(kind=kind), QUERY, [FAR, STRAIGHT, NEAR])
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)
    assert scores.argmax() == first


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        # The norms are 5 and 1. Power 0 is the dot product: 3 and 1.
        (0.0, [3.0, 1.0]),
        # 3 / sqrt(5) = 1.341641, 1 / 1.
        (0.5, [1.341641, 1.0]),
        # 3 / 5 and 1 / 1: the cosines.
        (1.0, [0.6, 1.0]),
    ],
)
def test_long_item_sinks_when_the_power_of_its_norm_grows(
    power: float, expected: list[float]
) -> None:
    options = SimilarityOptions(kind="dot_over_norm", norm_power=power)
    scores = similarities(options, QUERY, [FAR, [1.0, 0.0]])
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)


def test_inner_product_is_the_squared_distance_when_euclidean() -> None:
    random = np.random.default_rng(3)
    users, items = random.normal(size=[4, 8]), random.normal(size=[5, 8])
    options = SimilarityOptions(kind="euclidean")
    scores = similarities(options, users.astype(np.float32), items.astype(np.float32))
    distance = ((users[:, np.newaxis] - items) ** 2).sum(axis=2)
    np.testing.assert_allclose(scores, -distance, rtol=1e-4)


@pytest.mark.parametrize("kind", ["cosine", "dot", "euclidean", "dot_over_norm"])
def test_leading_components_keep_the_direction_when_the_similarity_changes_vectors(
    kind: str,
) -> None:
    vectors = item_vectors(tf.constant([FAR]), SimilarityOptions(kind=kind)).numpy()
    # (3, 4) points to (0.6, 0.8).
    np.testing.assert_allclose(vectors[0, :2] / np.linalg.norm(vectors[0, :2]), [0.6, 0.8], 1e-5)


@pytest.mark.parametrize("kind", ["cosine", "dot", "euclidean", "dot_over_norm"])
def test_vectors_and_gradients_are_finite_when_a_vector_is_zero(kind: str) -> None:
    options = SimilarityOptions(kind=kind)
    zero = tf.Variable([[0.0, 0.0]])
    with tf.GradientTape() as tape:
        score = tf.reduce_sum(user_vectors(zero, options) * item_vectors(zero, options))
    assert np.isfinite(score)
    assert np.isfinite(tape.gradient(score, zero)).all()
