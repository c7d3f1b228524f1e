import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.popularity import PopularItems
from models.ties import tie_order


def test_most_popular_come_first_when_nothing_is_excluded() -> None:
    index, score = PopularItems([1, 5, 3]).top(tf.zeros([1, 0], tf.int32), 2)
    assert index.numpy().tolist() == [[2, 3]]
    assert score.numpy().tolist() == [[1.0, pytest.approx(0.6)]]  # 5/5 and 3/5


def test_seen_items_are_left_out_when_rows_differ() -> None:
    # By popularity: 2, 3, 1. The first row has seen 2 and 1, the second nothing (0 and -1 pad).
    index, _ = PopularItems([1, 5, 3]).top(tf.constant([[2, 1], [0, -1]]), 2)
    assert index.numpy().tolist() == [[3, 0], [2, 3]]


def test_rows_are_padded_when_catalogue_is_smaller_than_k() -> None:
    index, score = PopularItems([0, 0]).top(tf.zeros([1, 1], tf.int32), 4)
    assert index.numpy().tolist() == [[1, 2, 0, 0]]
    assert score.numpy().tolist() == [[0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("counts", [[], [[1.0, 2.0]]])
def test_counts_are_refused_when_they_are_no_list_of_items(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="one-dimensional.*Received shape"):
        PopularItems(counts)


@given(
    counts=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    excluded=st.lists(st.integers(-2, 14), min_size=1, max_size=8),
    k=st.integers(1, 15),
)
@settings(max_examples=60, deadline=None)
def test_list_equals_exhaustive_ranking_when_anything_is_excluded(
    counts: list[int], excluded: list[int], k: int
) -> None:
    ranked = np.lexsort((tie_order(len(counts)), -np.array(counts))) + 1
    expected = [item for item in ranked.tolist() if item not in excluded][:k]
    index, _ = PopularItems(counts).top(tf.constant([excluded]), k)
    assert index.numpy()[0].tolist() == expected + [0] * (k - len(expected))
