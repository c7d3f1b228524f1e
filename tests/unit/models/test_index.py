from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.index import (
    BruteForceIndex,
    PartialIndex,
    ScannIndex,
    build_index,
    narrow_search,
    recall_against_exact,
    release_searcher,
)
from models.options import IndexOptions


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    """3000 unit vectors around 30 centres, as item embeddings lie."""
    random = np.random.default_rng(2)
    centres = random.normal(size=[30, 16])
    return unit(centres[np.arange(3000) % 30] + 0.3 * random.normal(size=[3000, 16]))


@pytest.fixture(scope="module")
def partitioned(clustered: np.ndarray) -> ScannIndex:
    return ScannIndex(clustered, IndexOptions(partition_from=1000, reorder=300))


@pytest.mark.parametrize("kind", ["brute_force", "scann"])
def test_nearest_are_exact_when_catalogue_is_small(kind: str) -> None:
    embeddings = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], np.float32)
    index = build_index(embeddings, IndexOptions(kind=kind))
    found, scores = index.search(tf.constant([[0.0, 1.0], [1.0, 0.0]]), tf.constant(2))
    # Dot products 0, 0.8, 1 and 1, 0.6, 0; positions count from 1.
    assert found.numpy().tolist() == [[3, 2], [1, 2]]
    np.testing.assert_allclose(scores, [[1.0, 0.8], [1.0, 0.6]], rtol=1e-5)
    assert found.dtype == tf.int32


@pytest.mark.parametrize("kind", ["brute_force", "scann"])
def test_number_of_neighbours_is_a_tensor_when_in_a_graph(kind: str) -> None:
    embeddings = unit(np.random.default_rng(0).normal(size=[20, 4]))
    index = build_index(embeddings, IndexOptions(kind=kind))
    search = tf.function(
        index.search,
        input_signature=[tf.TensorSpec([None, 4]), tf.TensorSpec([], tf.int32)],
    )
    order = np.argsort(-embeddings[:2] @ embeddings.T, axis=1)
    for n in (1, 5, 20):
        found, _ = search(tf.constant(embeddings[:2]), tf.constant(n))
        assert (found.numpy() == order[:, :n] + 1).all()


def test_recall_is_high_when_partitioned(clustered: np.ndarray, partitioned: ScannIndex) -> None:
    queries = unit(clustered[:64] + 0.05)
    assert recall_against_exact(partitioned, clustered, queries, 100) > 0.9


def test_partitioned_list_is_full_when_more_is_asked_for_than_the_usual_partitions_hold(
    clustered: np.ndarray, partitioned: ScannIndex
) -> None:
    found, scores = partitioned.search(tf.constant(clustered[:1]), tf.constant(3000))
    # All partitions are searched then: every item, each once.
    assert sorted(found.numpy()[0]) == list(range(1, 3001))
    assert np.isfinite(scores.numpy()).all()


def test_recall_is_the_share_found_when_the_index_knows_half() -> None:
    embeddings = np.eye(4, dtype=np.float32)
    half = BruteForceIndex(embeddings * np.array([[1], [1], [-1], [-1]], np.float32))
    query = np.array([[0.5, 0.4, 0.8, 0.7]], np.float32)
    # The nearest two are items 3 and 4; the broken index finds 1 and 2. Of four all are found.
    assert recall_against_exact(half, embeddings, query, 2) == 0.0
    assert recall_against_exact(half, embeddings, query, 100) == 1.0


@pytest.mark.parametrize("kind", ["brute_force", "scann"])
def test_items_keep_their_numbers_when_only_some_are_indexed(kind: str) -> None:
    # Dot products of items 2, 5 and 7: 1, 0.8, 0 and 0, 0.6, 1.
    vectors = np.array([[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], np.float32)
    items = np.array([2, 5, 7], np.int32)
    index = PartialIndex(build_index(vectors, IndexOptions(kind=kind)), items)
    found, scores = index.search(tf.constant([[0.0, 1.0], [1.0, 0.0]]), tf.constant(3))
    assert found.numpy().tolist() == [[2, 5, 7], [7, 5, 2]]
    np.testing.assert_allclose(scores, [[1.0, 0.8, 0.0], [1.0, 0.6, 0.0]], atol=1e-6)
    exact = recall_against_exact(index, vectors, vectors, 2, items.astype(np.int64))
    assert exact == 1.0


def test_padding_stays_padding_when_only_some_items_are_indexed() -> None:
    class Shallow(BruteForceIndex):
        def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            index, score = super().search(queries, n)
            return tf.where(index == 1, index, 0), score

    index = PartialIndex(Shallow(np.eye(2, dtype=np.float32)), np.array([4, 9], np.int32))
    found, _ = index.search(tf.constant([[1.0, 0.0]]), tf.constant(2))
    assert found.numpy().tolist() == [[4, 0]]


def test_each_answers_for_itself_when_two_are_saved_in_one_module(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    both = [unit(random.normal(size=[20, dimension])) for dimension in (4, 6)]

    class Pair(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.indexes = [ScannIndex(vectors, IndexOptions()) for vectors in both]
            self.searches = [self._nearest(*pair) for pair in zip(self.indexes, both, strict=True)]

        def _nearest(self, index: ScannIndex, vectors: np.ndarray) -> Any:
            return tf.function(
                lambda queries: index.search(queries, tf.constant(1)),
                input_signature=[tf.TensorSpec([None, vectors.shape[1]])],
            )

    options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
    tf.saved_model.save(Pair(), str(tmp_path), options=options)
    loaded = tf.saved_model.load(str(tmp_path))
    for search, vectors in zip(loaded.searches, both, strict=True):
        # Nearest to itself is each item; the first index knows nothing of the second's dimensions.
        found, _ = search(tf.constant(vectors))
        assert found.numpy()[:, 0].tolist() == list(range(1, 21))


def test_fewer_partitions_are_searched_when_they_find_enough(clustered: np.ndarray) -> None:
    options = IndexOptions(partition_from=1000, leaves_searched_fraction=1.0, target_recall=0.9)
    index = ScannIndex(clustered, options)
    assert index.searched == index.leaves == 55  # round(sqrt(3000))
    queries = unit(clustered[:64] + 0.05)
    recall = narrow_search(index, clustered, queries, 100, options)
    assert index.searched < 55
    assert recall >= 0.9
    assert recall == recall_against_exact(index, clustered, queries, 100)


@pytest.mark.parametrize(("number", "target"), [(63, 0.0), (64, 1.0)])
def test_partitions_stay_as_configured_when_users_cannot_tell_or_fewer_do_not_do(
    clustered: np.ndarray, number: int, target: float
) -> None:
    options = IndexOptions(partition_from=1000, reorder=100, target_recall=target)
    index = ScannIndex(clustered, options)
    assert index.searched == 6  # a tenth of 55
    narrow_search(index, clustered, unit(clustered[:number] + 0.05), 100, options)
    assert index.searched == 6


def test_an_index_still_answers_when_its_searcher_was_released(clustered: np.ndarray) -> None:
    items = np.arange(1, 3001, dtype=np.int32)
    index = PartialIndex(ScannIndex(clustered, IndexOptions(partition_from=1000)), items)
    before = index.search(tf.constant(clustered[:4]), tf.constant(10))
    release_searcher(index)
    after = index.search(tf.constant(clustered[:4]), tf.constant(10))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_allclose(before[1], after[1], rtol=1e-6)
    release_searcher(BruteForceIndex(clustered))  # which keeps none
