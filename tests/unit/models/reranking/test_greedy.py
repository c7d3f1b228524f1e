from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.reranking.greedy import CategoryCap, greedy_places

Array = np.ndarray[Any, Any]
MOST, WITHIN, CATEGORIES = 2, 5, 3
# Products of these are exact in float32, so that the reference needs no tolerance.
HALVES = [0.5, -0.5]
DIRECTIONS = np.array(
    [[0.0] * 4, *np.eye(4), *-np.eye(4), *np.array(np.meshgrid(*[HALVES] * 4)).reshape(4, 16).T],
    np.float32,
)
SIGNATURE = [
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None, None], tf.bool),
    tf.TensorSpec([None, None, 4], tf.float32),
    tf.TensorSpec([None], tf.float32),
    tf.TensorSpec([], tf.int32),
]


@pytest.fixture(scope="module")
def free() -> Callable[..., tf.Tensor]:
    """Without a cap."""
    return tf.function(greedy_places, input_signature=SIGNATURE)


@pytest.fixture(scope="module")
def capped() -> Callable[..., tf.Tensor]:
    """With a cap; takes the categories of the candidates after the rest."""

    def places(*inputs: tf.Tensor) -> tf.Tensor:
        return greedy_places(*inputs[:-1], CategoryCap(inputs[-1], CATEGORIES, MOST, WITHIN))

    categories = tf.TensorSpec([None, None, None], tf.int32)
    return tf.function(places, input_signature=[*SIGNATURE, categories])


def reference(
    relevance: Array, vectors: Array, diversity: np.float32, steps: int, categories: Array
) -> list[int]:
    """The same for the valid candidates of one row, in plain Python: their positions in order."""
    low, spread = np.min(relevance), np.max(relevance) - np.min(relevance)
    scaled = (relevance - low) / spread if spread else np.zeros_like(relevance)
    left, chosen = list(range(len(relevance))), []
    while left and len(chosen) < steps:
        taken = (
            [c for i in chosen for c in set(categories[i]) - {0}] if len(chosen) < WITHIN else []
        )
        full = {c for c in taken if taken.count(c) >= MOST}
        under = [i for i in left if not full & set(categories[i])]
        values = {}
        for i in under or left:
            near = max(
                [np.float32(vectors[i] @ vectors[j]) for j in chosen], default=np.float32(-1)
            )
            values[i] = (np.float32(1) - diversity) * scaled[i] - diversity * near
        best = max(values, key=lambda i: (values[i], -i))
        chosen.append(best)
        left.remove(best)
    return chosen + left


def rows(data: st.DataObject) -> tuple[Array, ...]:
    """Draws inputs of a few rows: relevance, valid, vectors, diversity, and categories."""
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 12)))
    relevance = data.draw(hnp.arrays(np.float32, shape, elements=st.integers(-8, 8)))
    length = data.draw(hnp.arrays(np.int32, shape[:1], elements=st.integers(0, shape[1])))
    direction = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(0, len(DIRECTIONS) - 1)))
    strengths = st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0])
    diversity = data.draw(hnp.arrays(np.float32, shape[:1], elements=strengths.map(np.float32)))
    categories = data.draw(hnp.arrays(np.int32, (*shape, 2), elements=st.integers(0, CATEGORIES)))
    categories[categories[..., 0] == categories[..., 1], 1] = 0
    valid = np.arange(shape[1]) < length[:, np.newaxis]
    categories[~valid] = 0
    return -np.sort(-relevance, axis=1), valid, DIRECTIONS[direction], diversity, categories


@settings(deadline=None, max_examples=400)
@given(data=st.data(), with_cap=st.booleans())
def test_order_is_that_of_plain_python_when_rows_differ(
    data: st.DataObject,
    with_cap: bool,
    free: Callable[..., tf.Tensor],
    capped: Callable[..., tf.Tensor],
) -> None:
    relevance, valid, vectors, diversity, categories = rows(data)
    if not with_cap:
        categories = np.zeros_like(categories)
    steps = data.draw(st.integers(0, relevance.shape[1]))
    inputs = [relevance, valid, vectors, diversity, steps]
    place = capped(*inputs, categories) if with_cap else free(*inputs)
    for row, length in enumerate(valid.sum(axis=1)):
        own = relevance[row, :length], vectors[row], diversity[row], steps, categories[row]
        found = np.argsort(place[row]).tolist()
        assert found[:length] == (reference(*own) if length else [])
        assert len(set(place[row].numpy())) == relevance.shape[1]


def test_order_stays_when_diversity_is_none(free: Callable[..., tf.Tensor]) -> None:
    # Values of relevance that scaling to 0 to 1 makes equal: 1 and the next float above it.
    relevance = [[1e9, np.nextafter(np.float32(1), np.float32(2)), 1.0, 0.0]]
    vectors = DIRECTIONS[[[1, 1, 2, 3]]]
    place = free(relevance, np.ones([1, 4], np.bool_), vectors, [0.0], 4)
    assert place.numpy().tolist() == [[0, 1, 2, 3]]


def test_the_next_is_what_is_unlike_the_first_when_diversity_asks(
    free: Callable[..., tf.Tensor],
) -> None:
    relevance = np.array([[8.0, 7.0, 5.0, 0.0]] * 2, np.float32)
    vectors = DIRECTIONS[[[1, 1, 2, 3]] * 2]  # the second is like the first
    place = free(relevance, np.ones([2, 4], np.bool_), vectors, [0.2, 0.5], 4)
    # After the first, at 0.2: 0.8 * 7 / 8 - 0.2 = 0.5, 0.8 * 5 / 8 = 0.5 and less: the order stays.
    # At 0.5: 0.5 * 7 / 8 - 0.5 = -0.06 and 0.5 * 5 / 8 = 0.31, then 0.0 before -0.06.
    assert place.numpy().tolist() == [[0, 1, 2, 3], [0, 3, 1, 2]]


def test_the_cap_is_waived_when_nothing_else_is_left(capped: Callable[..., tf.Tensor]) -> None:
    relevance = np.array([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]], np.float32)
    categories = np.array([[[1], [1], [1], [1], [2], [0]]], np.int32)
    valid = np.array([[True] * 5 + [False]])
    place = capped(relevance, valid, DIRECTIONS[[[1] * 6]], [0.0], 6, categories)
    # Two of category 1, then the one of category 2, then the others; padding stays last.
    assert np.argsort(place[0]).tolist() == [0, 1, 4, 2, 3, 5]


def test_places_are_empty_when_the_batch_is(capped: Callable[..., tf.Tensor]) -> None:
    empty = np.zeros([0, 3], np.float32)
    vectors, categories = np.zeros([0, 3, 4], np.float32), np.zeros([0, 3, 2], np.int32)
    place = capped(empty, empty > 0.0, vectors, np.zeros([0], np.float32), 2, categories)
    assert place.shape == (0, 3)
