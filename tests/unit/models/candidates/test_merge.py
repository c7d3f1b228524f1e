from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.candidates.merge import Merged, Nominations, merge

Array = np.ndarray[Any, Any]
Part = tuple[Array, Array, Array]  # index, score, round
SOURCES = (7, 3, 5)
SIGNATURE = [
    *[tf.TensorSpec([None, None], dtype) for dtype in (tf.int32, tf.float32, tf.float32)] * 3,
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([], tf.int32),
]


@pytest.fixture(scope="module")
def merge_three() -> Callable[..., Merged]:
    """Merges three parts; items that are multiples of 5 are not allowed."""

    def run(*inputs: tf.Tensor) -> Merged:
        parts = [
            Nominations(*inputs[3 * i : 3 * i + 3], tf.constant(source))
            for i, source in enumerate(SOURCES)
        ]
        return merge(parts, inputs[9], inputs[10], lambda index: index % 5 != 0)

    return tf.function(run, input_signature=SIGNATURE)


def reference(parts: list[Part], excluded: Array, row: int) -> dict[int, tuple[float, int]]:
    """Score and source of the row's items, in their order, in plain Python."""
    turns = [
        (turn, number, column, int(index[row, column]), float(score[row, column]))
        for number, (index, score, rounds) in enumerate(parts)
        for column, turn in enumerate(rounds[row])
    ]
    found: dict[int, tuple[float, int]] = {}
    for _, number, _, item, score in sorted(turns):
        if item % 5 and item not in excluded[row]:
            found.setdefault(item, (score, SOURCES[number]))
    return found


@settings(deadline=None, max_examples=400)
@given(data=st.data(), rows=st.integers(0, 4), size=st.integers(1, 12))
def test_lists_are_those_of_plain_python_when_rows_differ(
    data: st.DataObject, rows: int, size: int, merge_three: Callable[..., Merged]
) -> None:
    def table(dtype: type, low: int, high: int, width: int) -> Array:
        return data.draw(hnp.arrays(dtype, (rows, width), elements=st.integers(low, high)))

    widths = [data.draw(st.integers(0, 6)) for _ in range(4)]
    parts = [
        (table(np.int32, 0, 12, w), table(np.float32, -9, 9, w), table(np.float32, -2, 3, w))
        for w in widths[:3]
    ]
    excluded = table(np.int32, 0, 12, widths[3])
    found = merge_three(*(column for part in parts for column in part), excluded, size)
    for row in range(rows):
        expected = reference(parts, excluded, row)
        items, missing = list(expected)[:size], max(size - len(expected), 0)
        assert found.index[row].numpy().tolist() == items + [0] * missing
        scores, sources = [expected[i][0] for i in items], [expected[i][1] for i in items]
        assert found.score[row].numpy().tolist() == scores + [0.0] * missing
        assert found.source[row].numpy().tolist() == sources + [-1] * missing
    assert found.index.shape == found.score.shape == found.source.shape == (rows, size)


def part(index: list[int], rounds: list[float], source: int) -> Nominations:
    score = [10.0 * item for item in index]
    return Nominations(*(tf.constant([x]) for x in (index, score, rounds)), tf.constant(source))


NOTHING = tf.zeros([1, 0], tf.int32)


def test_generators_take_turns_when_their_rounds_interleave() -> None:
    often = part([4, 2, 9], [1.0, 2.0, 3.0], 0)
    seldom = part([6, 2, 8], [1.5, 2.0, 4.5], 1)
    found = merge([often, seldom], NOTHING, 6)
    # Both come with item 2 in round 2: it is the earlier part's.
    assert found.index.numpy().tolist() == [[4, 6, 2, 9, 8, 0]]
    assert found.source.numpy().tolist() == [[0, 1, 0, 0, 1, -1]]
    assert found.score.numpy().tolist() == [[40.0, 60.0, 20.0, 90.0, 80.0, 0.0]]


def test_an_item_is_the_later_parts_when_its_turn_comes_earlier() -> None:
    found = merge([part([4], [2.0], 0), part([4], [1.0], 1)], NOTHING, 1)
    assert found.source.numpy().tolist() == [[1]]


def test_excluded_items_make_room_for_others_when_lists_are_short() -> None:
    first = part([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], 0)
    found = merge([first], tf.constant([[3, 0, 1]]), 2)
    assert found.index.numpy().tolist() == [[2, 4]]


def test_rows_share_nothing_when_the_largest_index_follows_the_smallest() -> None:
    index = tf.constant([[2**31 - 1], [1], [2**31 - 1]])
    nominated = Nominations(index, tf.zeros([3, 1]), tf.zeros([3, 1]), tf.constant(0))
    excluded = tf.constant([[-1], [-1], [2**31 - 1]])  # negatives exclude nothing
    found = merge([nominated], excluded, 1)
    assert found.index.numpy().tolist() == [[2**31 - 1], [1], [0]]


def test_merging_is_refused_when_nobody_nominates() -> None:
    with pytest.raises(ValueError, match="the nominations of a generator. Received: none."):
        merge([], NOTHING, 3)
