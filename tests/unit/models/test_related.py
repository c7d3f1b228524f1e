import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models.index import BruteForceIndex, Index, PartialIndex
from models.related import RelatedItems, are_directions, directions

# Items 1 to 6 on a circle, 0, 10, 25, 45, 70 and 100 degrees: no two gaps are the same.
ANGLES = np.radians([0, 10, 25, 45, 70, 100])
UNIT = np.concatenate(
    [np.zeros([1, 2]), np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)]
).astype(np.float32)
NEAREST = {1: [2, 3, 4, 5, 6], 3: [2, 4, 1, 5, 6], 6: [5, 4, 3, 2, 1]}


def related(kept: int, items: list[int] | None = None) -> RelatedItems:
    nominable = np.array(items or range(1, 7), np.int32)
    index: Index = BruteForceIndex(UNIT[nominable])
    if items:
        index = PartialIndex(index, nominable)
    return RelatedItems(UNIT, index, len(nominable), kept)


def found(related_items: RelatedItems, index: list[int], k: int) -> list[list[int]]:
    return related_items.of(tf.constant(index), tf.constant(k))[0].numpy().tolist()


@pytest.mark.parametrize("kept", [0, 2, 6])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_nearest_come_first_when_they_are_kept_or_searched_for(kept: int, k: int) -> None:
    items = related(kept)
    index, score = items.of(tf.constant([1, 3, 6]), tf.constant(k))
    assert index.numpy().tolist() == [NEAREST[item][:k] for item in (1, 3, 6)]
    expected = [[UNIT[item] @ UNIT[other] for other in NEAREST[item][:k]] for item in (1, 3, 6)]
    np.testing.assert_allclose(score, expected, atol=1e-6)


@pytest.mark.parametrize("kept", [0, 3, 6])
def test_lists_are_padded_when_more_is_asked_for_than_there_is(kept: int) -> None:
    index, score = related(kept).of(tf.constant([3]), tf.constant(9))
    assert index.numpy().tolist() == [NEAREST[3] + [0] * 4]
    assert score.numpy()[0, 5:].tolist() == [0.0] * 4


@pytest.mark.parametrize("kept", [0, 4])
@pytest.mark.parametrize("k", [2, 8])
def test_nothing_is_related_when_the_item_is_unknown(kept: int, k: int) -> None:
    index, score = related(kept).of(tf.constant([0, 1]), tf.constant(k))
    assert index.numpy()[0].tolist() == [0] * k
    assert score.numpy()[0].tolist() == [0.0] * k
    assert index.numpy()[1, :2].tolist() == [2, 3]


@pytest.mark.parametrize("kept", [0, 2, 9])
def test_filtered_items_are_left_out_when_others_are_asked_about(kept: int) -> None:
    items = related(kept, [2, 4, 5])
    # A filtered item itself has relatives; one that may be shown is not its own.
    assert found(items, [3, 4], 2) == [[2, 4], [5, 2]]
    assert found(items, [3, 4], 4) == [[2, 4, 5, 0], [5, 2, 0, 0]]


def test_an_item_is_not_its_own_when_others_point_the_same_way() -> None:
    twins = np.array([[0, 0], [1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    for kept in (0, 4):
        items = RelatedItems(twins, BruteForceIndex(twins[1:]), 4, kept)
        for item in (1, 2, 3):
            listed = found(items, [item], 3)[0]
            assert sorted(listed) == sorted({1, 2, 3, 4} - {item})
            assert listed[-1] == 4


def test_rows_are_told_apart_when_the_catalogue_is_looked_up_in_parts() -> None:
    number = 1030  # more than are looked up at once
    angles = np.linspace(0.0, 3.0, number) ** 1.01
    unit = np.concatenate(
        [np.zeros([1, 2]), np.stack([np.cos(angles), np.sin(angles)], axis=1)]
    ).astype(np.float32)
    items = RelatedItems(unit, BruteForceIndex(unit[1:]), number, 2)
    # Each is between its neighbours; the last has but one side.
    assert set(found(items, [1025], 2)[0]) == {1024, 1026}
    assert found(items, [1030], 2) == [[1029, 1028]]


def test_directions_are_looked_up_when_items_are_listed() -> None:
    looked_up = related(2).directions(tf.constant([[0, 3], [6, 1]])).numpy()
    np.testing.assert_array_equal(looked_up, UNIT[[[0, 3], [6, 1]]])


def test_directions_have_neither_length_nor_bias_when_embeddings_have() -> None:
    embeddings: npt.NDArray[np.float32] = np.array([[0, 0, 7], [3, 4, -9], [0, 2, 1]], np.float32)
    unit = directions(embeddings, 2)
    np.testing.assert_allclose(unit, [[0, 0], [0.6, 0.8], [0, 1]], rtol=1e-6)
    assert unit.dtype == np.float32


def test_a_variable_is_shared_when_embeddings_are_directions_already() -> None:
    shared = tf.Variable(UNIT)
    items = RelatedItems(shared, BruteForceIndex(UNIT[1:]), 6, 0)
    assert [variable is shared for variable in items.variables].count(True) == 1
    assert found(items, [3], 2) == [NEAREST[3][:2]]


def test_embeddings_are_directions_when_each_is_of_unit_length_or_nothing() -> None:
    assert are_directions(UNIT, 2)
    assert not are_directions(1.01 * UNIT, 2)
    assert not are_directions(np.pad(UNIT, [(0, 0), (0, 1)]), 2)  # a bias
