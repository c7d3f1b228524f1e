"""Nearest items to a query vector, inside the graph.

Positions in an index count from 1, like item indices; 0 pads where fewer were found.
"""

import hashlib
import math
from typing import Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.item_table import FloatArray
from models.options import IndexOptions

DIMENSIONS_PER_BLOCK = 2  # quantised together
TRAINING_SAMPLE = 250_000  # items that partitions are learned from
LEAF_MARGIN = 2.0  # leaves differ in size: how many times n they should hold on average
FEWEST_LEAVES = 0.01  # of all leaves: where the search for fewer starts
LEAST_QUERIES = 64  # that tell how many leaves are enough
EXACT_QUERIES = 32  # searched for at once, where the whole catalogue is scored
ANISOTROPIC_THRESHOLD = 0.2  # of unit vectors; Guo et al. 2020, arXiv:1908.10396


class Index(Protocol):
    """What the servable asks of an index."""

    def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the n items with the largest dot products.

        Args:
            queries: float32 [B, D].
            n: int32 [], at most the size of the catalogue.

        Returns:
            Item indices int32 [B, n] and dot products float32 [B, n], best first.
        """
        ...


class BruteForceIndex(tf.Module):
    """Exact search by one matrix product: core operations alone."""

    def __init__(self, embeddings: FloatArray):
        """Keeps the items.

        Args:
            embeddings: float32 [N, D], row i is the item with index i + 1.
        """
        super().__init__(name="brute_force_index")
        self._embeddings = tf.Variable(embeddings, trainable=False, name="embeddings")

    def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See Index."""
        scores, position = tf.math.top_k(tf.matmul(queries, self._embeddings, transpose_b=True), n)
        return position + 1, scores


class PartialIndex(tf.Module):
    """An index over some of the items."""

    def __init__(self, index: Index, items: npt.NDArray[np.int32]):
        """Wraps an index.

        Args:
            index: over M embeddings.
            items: int32 [M], whose embeddings they are.
        """
        super().__init__(name="partial_index")
        self.whole = index
        self._items = tf.Variable(np.concatenate([[0], items]), dtype=tf.int32, trainable=False)

    def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See Index; n is at most M."""
        position, scores = self.whole.search(queries, n)
        return tf.gather(self._items, position), scores


class ScannIndex(tf.Module):
    """ScaNN: partitions and quantised scores for large catalogues, exact scores for small ones.

    Attributes:
        leaves: partitions; 0 where all items are scored.
        searched: of them, for each query at least.
    """

    def __init__(self, embeddings: FloatArray, options: IndexOptions):
        """Builds the index.

        Args:
            embeddings: float32 [N, D], row i is the item with index i + 1.
            options: sizes.
        """
        # Imported here: a servable with the brute-force index must not need ScaNN.
        from scann.scann_ops.py import scann_ops

        super().__init__(name="scann_index")
        size = len(embeddings)
        self._size = size
        self.leaves = self.searched = self._reorder = 0
        builder = scann_ops.builder(embeddings, min(options.reorder, size), "dot_product")
        if size < options.partition_from:
            builder = builder.score_brute_force()
        else:
            self.leaves = round(math.sqrt(size))
            self.searched = max(1, math.ceil(self.leaves * options.leaves_searched_fraction))
            self._reorder = min(options.reorder, size)
            builder = (
                builder.tree(
                    self.leaves, self.searched, training_sample_size=min(size, TRAINING_SAMPLE)
                )
                .score_ah(
                    DIMENSIONS_PER_BLOCK,
                    anisotropic_quantization_threshold=ANISOTROPIC_THRESHOLD,
                )
                .reorder(self._reorder)
            )
        searcher = builder.build()
        self._state = searcher.serialize_to_module()
        # It would keep a copy of all embeddings for as long as the process lives.
        tf.raw_ops.DestroyResourceOp(resource=searcher.searcher_handle)
        # By content, for TensorFlow keeps searchers by name: of two indexes in a graph, which ScaNN
        # itself leaves nameless, one would answer for both.
        digest = hashlib.sha256(np.ascontiguousarray(embeddings).tobytes()).hexdigest()
        self._name_of_searcher = f"scann-{digest}"

    def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See Index."""
        from scann.scann_ops.py import scann_ops

        position, scores = scann_ops.ScannSearcher(self._searcher()).search_batched(
            queries,
            final_num_neighbors=n,
            pre_reorder_num_neighbors=tf.maximum(n, self._reorder) if self.leaves else None,
            leaves_to_search=self._leaves_for(n) if self.leaves else None,
        )
        # Of no query ScaNN returns no column either.
        shape = tf.stack([tf.shape(queries)[0], n])
        position, scores = tf.reshape(position, shape), tf.reshape(scores, shape)
        # Where the searched partitions hold fewer than n items, ScaNN pads with NaN.
        found = tf.math.is_finite(scores)
        return (
            tf.where(found, tf.cast(position, tf.int32) + 1, 0),
            tf.where(found, scores, 0.0),
        )

    def release(self) -> None:
        """Frees the searcher of this process; the next search makes another."""
        tf.raw_ops.DestroyResourceOp(resource=self._searcher())

    def _searcher(self) -> tf.Tensor:
        from scann.scann_ops.py import scann_ops

        state = self._state
        return scann_ops.tensors_to_scann(
            state.dataset,
            state.scann_config,
            state.serialized_partitioner,
            state.datapoint_to_token,
            state.ah_codebook,
            state.hashed_dataset,
            state.int8_dataset,
            state.int8_multipliers,
            state.dp_norms,
            shared_name=self._name_of_searcher,
        )

    def _leaves_for(self, n: tf.Tensor) -> tf.Tensor:
        """Widens the search for many neighbours, so that the leaves hold enough of them."""
        enough = tf.cast(n, tf.float32) * (LEAF_MARGIN * self.leaves / self._size)
        wanted = tf.cast(tf.math.ceil(enough), tf.int32)
        return tf.clip_by_value(wanted, self.searched, self.leaves)


def build_index(embeddings: FloatArray, options: IndexOptions) -> Index:
    """Builds the configured index over the items' embeddings, float32 [N, D]."""
    if options.kind == "brute_force":
        return BruteForceIndex(embeddings)
    return ScannIndex(embeddings, options)


def recall_against_exact(
    index: Index,
    embeddings: FloatArray,
    queries: FloatArray,
    n: int,
    items: npt.NDArray[np.int64] | None = None,
) -> float:
    """Measures the share of the exact n nearest that the index finds.

    Args:
        index: to be measured.
        embeddings: float32 [M, D], what it was built from.
        queries: float32 [Q, D].
        n: neighbours a query; cut to M.
        items: int64 [M], whose embeddings they are; 1 to M by default.

    Returns:
        Mean recall over the queries, between 0 and 1.
    """
    return _share_found(index, queries, _exact_nearest(embeddings, queries, n, items))


def narrow_search(
    index: Index,
    embeddings: FloatArray,
    queries: FloatArray,
    n: int,
    options: IndexOptions,
    items: npt.NDArray[np.int64] | None = None,
) -> float:
    """Lets an index search no more partitions than it takes to find enough of the exact n nearest.

    How many that are depends on how the embeddings cluster, which no size of a catalogue says.

    Args:
        index: is changed; as configured where fewer do not suffice or queries are too few to tell.
        embeddings: float32 [M, D], what it was built from.
        queries: float32 [Q, D].
        n: neighbours a query; cut to M.
        options: of the index.
        items: int64 [M], whose embeddings they are; 1 to M by default.

    Returns:
        Mean recall over the queries with what the index searches from now on.
    """
    exact = _exact_nearest(embeddings, queries, n, items)
    scann = _scann_of(index)
    if scann is not None and len(queries) >= LEAST_QUERIES:
        configured = scann.searched
        leaves = max(1, round(scann.leaves * FEWEST_LEAVES))
        while leaves < configured:
            scann.searched = leaves
            recall = _share_found(index, queries, exact)
            if recall >= options.target_recall:
                return recall
            leaves *= 2
        scann.searched = configured
    return _share_found(index, queries, exact)


def release_searcher(index: Index) -> None:
    """Frees what an index keeps beside its variables once it was searched; a search brings it back.

    It is as large as the embeddings, and would live as long as the process.
    """
    scann = _scann_of(index)
    if scann is not None:
        scann.release()


def _scann_of(index: Index) -> ScannIndex | None:
    inner = index.whole if isinstance(index, PartialIndex) else index
    return inner if isinstance(inner, ScannIndex) else None


def _exact_nearest(
    embeddings: FloatArray,
    queries: FloatArray,
    n: int,
    items: npt.NDArray[np.int64] | None,
) -> tf.Tensor:
    """Returns the n nearest, int32 [Q, n]; see `recall_against_exact`."""
    search = BruteForceIndex(embeddings).search
    number = tf.constant(min(n, len(embeddings)))
    # A few at a time: they are compared with every item at once.
    parts = [
        search(tf.constant(queries[start : start + EXACT_QUERIES]), number)[0]
        for start in range(0, len(queries), EXACT_QUERIES)
    ]
    position = tf.concat(parts, axis=0)
    return position if items is None else tf.gather(tf.constant(items, tf.int32), position - 1)


def _share_found(index: Index, queries: FloatArray, exact: tf.Tensor) -> float:
    number = exact.shape[1]
    found, _ = index.search(tf.constant(queries), tf.constant(number))
    hits = tf.sets.size(tf.sets.intersection(exact, found))
    return float(tf.reduce_mean(tf.cast(hits, tf.float32))) / number
