from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.item_facts import ItemFacts
from models.item_store import CatalogueItem
from models.options import RerankingOptions
from models.reranking.reranker import Reranked, Reranker

Array = np.ndarray[Any, Any]
Rerank = Callable[..., Reranked]

# Items 1 to 12 in three categories of four, each category a direction of its own. Item 4 is new,
# the age of item 5 is unknown, all others are old; item n has e^n - 1 interactions.
CATALOGUE = [
    CatalogueItem(
        item_id=str(n).encode(),
        title=b"",
        categories=(b"xyz"[(n - 1) // 4 : (n - 1) // 4 + 1],),
        interactions=float(np.expm1(n)),
        age_days={4: 0.0, 5: None}.get(n, 1e6),
    )
    for n in range(1, 13)
]
VECTORS = np.zeros([13, 3], np.float32)
VECTORS[1:] = np.repeat(np.eye(3), 4, axis=0)
SIGNATURE = [
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None], tf.float32),
    tf.TensorSpec([None], tf.float32),
    tf.TensorSpec([], tf.int32),
]


def graph(**options: Any) -> Rerank:
    """Traces a re-ranker once for every batch, list length and k."""
    reranker = Reranker(ItemFacts(CATALOGUE), RerankingOptions(**options))

    def rerank(index: tf.Tensor, relevance: tf.Tensor, *rest: tf.Tensor) -> Reranked:
        return reranker.rerank(index, relevance, lambda own: tf.gather(VECTORS, own), *rest)

    return tf.function(rerank, input_signature=SIGNATURE)


@pytest.fixture(scope="module")
def plain() -> Rerank:
    return graph(freshness_half_life_days=30.0)


@pytest.fixture(scope="module")
def everything() -> Rerank:
    """Every rule at once, with strengths as defaults."""
    return graph(
        diversity=0.3,
        diversify_first=6,
        freshness=0.4,
        popularity_penalty=0.2,
        category_cap=2,
        category_cap_within=5,
    )


def shown(reranked: Reranked, index: Array, row: int = 0) -> list[int]:
    """Returns the items of a row, without the padding."""
    valid = reranked.valid[row].numpy()
    return np.asarray(index)[row][reranked.position[row].numpy()[valid]].tolist()


ALL = np.arange(1, 13, dtype=np.int32)[np.newaxis]
DESCENDING = np.arange(12.0, 0.0, -1.0, dtype=np.float32)[np.newaxis]  # relevance of ALL


def inputs(data: st.DataObject) -> tuple[Array, Array, int]:
    """Draws candidates of a few rows, their relevance, and k."""
    shape = data.draw(st.tuples(st.integers(0, 4), st.integers(0, 10)))
    index = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 12)))
    relevance = data.draw(hnp.arrays(np.float32, shape, elements=st.integers(-9, 9)))
    return index, relevance, data.draw(st.integers(1, 12))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_the_list_is_the_stable_top_k_when_no_strength_is_asked_for(
    data: st.DataObject, plain: Rerank
) -> None:
    index, relevance, k = inputs(data)
    none = np.zeros(len(index), np.float32)
    found = plain(index, relevance, none, none, k)
    for row in range(len(index)):
        order = [p for p in np.argsort(-relevance[row], kind="stable") if index[row, p]][:k]
        padding = [0] * (k - len(order))
        assert found.position[row].numpy().tolist() == order + padding
        assert found.score[row].numpy().tolist() == [*relevance[row, order], *padding]
        assert found.valid[row].numpy().tolist() == [True] * len(order) + [False] * len(padding)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_row_is_served_as_if_alone_when_strengths_are_mixed(
    data: st.DataObject, everything: Rerank
) -> None:
    index, relevance, k = inputs(data)
    strengths = st.sampled_from([-1.0, 0.0, 0.3, 1.0]).map(np.float32)
    diversity, freshness = (
        data.draw(hnp.arrays(np.float32, len(index), elements=strengths)) for _ in range(2)
    )
    found = everything(index, relevance, diversity, freshness, k)
    for row in range(len(index)):
        own = slice(row, row + 1)
        # A longer list, too, begins with the shorter one.
        alone = everything(index[own], relevance[own], diversity[own], freshness[own], k + 3)
        for batched, single in zip(found, alone, strict=True):
            np.testing.assert_allclose(batched[row], single[0, :k], rtol=1e-6)
        filled = found.valid[row].numpy()
        assert filled.sum() == min(k, np.count_nonzero(index[row]))
        assert len(set(found.position[row].numpy()[filled])) == filled.sum()
        assert index[row][found.position[row].numpy()[filled]].all()


def test_categories_are_spread_when_diversity_is_full(plain: Rerank) -> None:
    found = plain(ALL, DESCENDING, [1.0], [0.0], 6)
    # The best of each category; what is left is all like something chosen, and keeps its order.
    assert shown(found, ALL) == [1, 5, 9, 2, 3, 4]
    # The score is the item's own.
    assert found.score[0].numpy().tolist() == [12.0, 8.0, 4.0, 11.0, 10.0, 9.0]


def test_only_leading_places_are_diversified_when_the_list_is_longer() -> None:
    found = graph(diversify_first=2)(ALL, DESCENDING, [1.0], [0.0], 5)
    assert shown(found, ALL) == [1, 5, 2, 3, 4]


def test_the_default_is_taken_when_a_strength_is_below_zero() -> None:
    rerank = graph(diversity=1.0, freshness=1.0)
    asked = rerank(ALL, DESCENDING, [1.0], [1.0], 12)
    by_default, without = (rerank(ALL, DESCENDING, [s], [s], 12) for s in (-1.0, 0.0))
    assert shown(by_default, ALL) == shown(asked, ALL)
    assert shown(without, ALL) == ALL[0].tolist()


def test_a_new_item_moves_up_when_freshness_is_asked_for(plain: Rerank) -> None:
    index = np.array([[1, 2, 3, 4, 5]] * 2, np.int32)
    relevance = np.array([[5.0, 4.0, 3.0, 2.0, 1.0]] * 2, np.float32)
    found = plain(index, relevance, [0.0, 0.0], [0.0, 0.75], 5)
    # The standard deviation is sqrt(2), so that item 4 gains 0.75 * 2 * 1.4142 = 2.1213.
    assert shown(found, index, 0) == [1, 2, 3, 4, 5]
    assert shown(found, index, 1) == [1, 4, 2, 3, 5]
    np.testing.assert_allclose(found.score[1], [5.0, 4.1213203, 4.0, 3.0, 1.0])


def test_a_popular_item_moves_down_when_popularity_is_penalized() -> None:
    index, relevance = np.array([[1, 11, 0]], np.int32), np.array([[2.0, 4.0, 9.0]], np.float32)
    found = graph(popularity_penalty=0.75)(index, relevance, [0.0], [0.0], 3)
    # Relevance deviates by 1, and log-popularity by one of its deviations: 0.75 * 2 * 1 = 1.5.
    assert shown(found, index) == [1, 11]
    np.testing.assert_allclose(found.score, [[3.5, 2.5, 0.0]], rtol=1e-6)


def test_the_cap_holds_while_others_are_left_when_it_is_set() -> None:
    rerank = graph(category_cap=1, category_cap_within=3)
    # One of each category, and then the ranker's order.
    assert shown(rerank(ALL, DESCENDING, [0.0], [0.0], 6), ALL) == [1, 5, 9, 2, 3, 4]
    few = ALL[:, :6]
    # Two categories for three places: the third goes to the best of what is left.
    assert shown(rerank(few, DESCENDING[:, :6], [0.0], [0.0], 4), few) == [1, 5, 2, 3]


def test_the_cap_holds_when_diversity_is_asked_for_too() -> None:
    index = np.array([[1, 2, 3, 5]], np.int32)
    relevance = np.array([[10.0, 9.9, 9.8, 0.0]], np.float32)
    # Item 5 is too weak for diversity alone: 0.9 * 0.98 - 0.1 * 1 for item 3, 0 for item 5.
    assert shown(graph()(index, relevance, [0.1], [0.0], 3), index) == [1, 2, 3]
    capped = graph(category_cap=2, category_cap_within=3)
    assert shown(capped(index, relevance, [0.1], [0.0], 3), index) == [1, 2, 5]


def test_directions_are_not_computed_when_no_row_asks_for_diversity() -> None:
    reranker = Reranker(ItemFacts(CATALOGUE), RerankingOptions(category_cap=2))

    def broken(index: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(False, ["computed"])]):
            return tf.gather(VECTORS, index)

    @tf.function(input_signature=SIGNATURE)
    def rerank(index: tf.Tensor, relevance: tf.Tensor, *rest: tf.Tensor) -> Reranked:
        return reranker.rerank(index, relevance, broken, *rest)

    assert shown(rerank(ALL, DESCENDING, [0.0], [0.0], 3), ALL) == [1, 2, 5]
    with pytest.raises(tf.errors.InvalidArgumentError, match="computed"):
        rerank(ALL, DESCENDING, [0.5], [0.0], 3)
