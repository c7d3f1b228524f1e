from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.candidates.item_neighbours import ItemNeighbours, recency, slots_of

ITEMS = 5
# Row by row: item 1 speaks for 3 and 2, item 2 for 5, item 4 for 1, 3 and 5; 3 and 5 for nothing.
WEIGHTS = {1: {3: 4.0, 2: 1.0}, 2: {5: 2.0}, 4: {1: 3.0, 3: 2.0, 5: 0.5}}

Ints = npt.NDArray[np.int32]


Make = Callable[[int, dict[int, dict[int, float]], str], ItemNeighbours]


@pytest.fixture(scope="module")
def neighbours(neighbours_of: Make) -> ItemNeighbours:
    return neighbours_of(ITEMS, WEIGHTS, "following")


def summed(
    neighbours: ItemNeighbours,
    history: list[list[int]],
    strength: list[float],
    asked: list[list[int]],
) -> list[list[float]]:
    """Scores in one way of counting."""
    ways = tf.constant(strength, tf.float32, [len(strength), 1])
    candidates = tf.constant(asked)
    slots = slots_of(candidates, ITEMS)
    scores = neighbours.scores(tf.constant(history), ways, candidates, slots)
    return scores[:, 0].numpy().tolist()


def test_the_first_neighbours_are_returned_when_items_have_more_or_fewer(
    neighbours: ItemNeighbours,
) -> None:
    index, weight = neighbours.nearest(tf.constant([[4, 0], [3, 1]]), 2)
    assert index.numpy().tolist() == [[[1, 3], [0, 0]], [[0, 0], [3, 2]]]
    assert weight.numpy().tolist() == [[[3.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [4.0, 1.0]]]
    # Three are the most that any has.
    index, _ = neighbours.nearest(tf.constant([[2]]), 4)
    assert index.numpy().tolist() == [[[5, 0, 0]]]


def test_scores_are_sums_by_place_when_several_items_speak_for_one(
    neighbours: ItemNeighbours,
) -> None:
    scores = summed(neighbours, [[4, 1], [1, 0]], [1.0, 0.5], [[3, 1, 2], [3, 1, 2]])
    # Item 3: 2 of item 4, at full strength, and half of the 4 of item 1.
    assert scores == [[4.0, 3.0, 0.5], [4.0, 0.0, 1.0]]


def test_duplicates_score_alike_and_padding_nothing_when_among_candidates(
    neighbours: ItemNeighbours,
) -> None:
    scores = summed(neighbours, [[4]], [1.0], [[0, 3, 3, 0, 5]])
    assert scores == [[0.0, 2.0, 2.0, 0.0, 0.5]]


def test_an_item_counts_at_each_of_its_places_when_the_history_repeats_it(
    neighbours: ItemNeighbours,
) -> None:
    assert summed(neighbours, [[2, 0, 2]], [1.0, 0.5, 0.25], [[5]]) == [[2.5]]  # 2 (1 + 0.25)


@pytest.mark.parametrize("width", [0, 2])
def test_scores_are_zero_when_there_is_no_history(neighbours: ItemNeighbours, width: int) -> None:
    history = tf.zeros([2, width], tf.int32)
    asked = tf.constant([[1, 2], [3, 0]])
    scores = neighbours.scores(history, tf.ones([width, 1]), asked, slots_of(asked, ITEMS))
    assert scores.numpy().tolist() == [[[0.0, 0.0]], [[0.0, 0.0]]]
    index, _ = neighbours.nearest(history, 3)
    assert index.shape == (2, width, 3)
    assert not index.numpy().any()


def test_nothing_is_said_when_the_table_is_empty(neighbours_of: Make) -> None:
    empty = neighbours_of(ITEMS, {}, "following")
    index, weight = empty.nearest(tf.constant([[1, 2], [3, 0]]), 3)
    assert index.numpy().tolist() == np.zeros([2, 2, 1]).tolist()
    assert weight.numpy().tolist() == np.zeros([2, 2, 1]).tolist()
    assert summed(empty, [[1, 2]], [1.0, 1.0], [[1, 2, 0]]) == [[0.0, 0.0, 0.0]]


def test_shapes_stay_when_there_are_no_candidates(neighbours: ItemNeighbours) -> None:
    history, nothing = tf.constant([[1], [4]]), tf.zeros([2, 0], tf.int32)
    scores = neighbours.scores(history, tf.ones([1, 2]), nothing, slots_of(nothing, ITEMS))
    assert scores.shape == (2, 2, 0)


def test_recency_falls_by_place_when_worked_out() -> None:
    expected = [[1.0, 1.0], [np.exp(-0.5), 1.0], [np.exp(-1.0), 1.0]]
    np.testing.assert_allclose(recency(3, 2.0), expected, rtol=1e-6)


dense_tables = hnp.arrays(np.float32, (ITEMS + 1, ITEMS + 1), elements=st.integers(0, 3))


@settings(deadline=None, max_examples=100)
@given(data=st.data(), dense=dense_tables, rows=st.integers(1, 3))
def test_scores_are_those_of_numpy_when_anything_is_asked(
    neighbours_of: Make, data: st.DataObject, dense: npt.NDArray[np.float32], rows: int
) -> None:
    dense[0] = dense[:, 0] = 0.0

    def ints(width: int) -> Ints:
        return data.draw(hnp.arrays(np.int32, (rows, width), elements=st.integers(0, ITEMS)))

    history, candidates = ints(data.draw(st.integers(0, 4))), ints(data.draw(st.integers(0, 6)))
    strength = np.array([[1, 1], [0.5, 1], [0.25, 0], [0.125, 1]], np.float32)  # in two ways
    weights = {
        row: {item: float(dense[row, item]) for item in np.flatnonzero(dense[row])}
        for row in range(ITEMS + 1)
    }
    found = neighbours_of(ITEMS, weights, "nearby").scores(
        tf.constant(history),
        tf.constant(strength),
        tf.constant(candidates),
        slots_of(tf.constant(candidates), ITEMS),
    )
    # A product of matrices: each place's weights for all items, at its strength.
    of_all = np.einsum("hs,bhn->bsn", strength[: history.shape[1]], dense[history])
    expected = np.take_along_axis(of_all, candidates[:, np.newaxis, :], axis=2)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
