"""Linear models: a user's scores are the sum of the weights of the items they have seen.

The weights of all pairs of items are exact, and they are no embeddings: what the graph serves is
their best approximation by vectors, the truncated singular value decomposition.

Source: Eckart & Young 1936, doi:10.1007/BF02288367; Cremonesi et al. 2010 on item-based models as
factors, doi:10.1145/1864708.1864721.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from models import features
from models.item_table import FloatArray
from models.retrieval.calibration import calibrate
from models.retrieval.cold_items import fill_cold_items
from models.retrieval.factor_fold_in import check_fold_in
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.transformed_data import TransformedData


@dataclass(frozen=True)
class ItemWeights:
    """How much each item of a history speaks for each other item.

    Attributes:
        known: int64 [R], the catalogue's columns that have weights, in order: those with
            interactions.
        matrix: float32 [R, R], dense or sparse; row i is what item `known[i]` speaks for.
        items: size of the catalogue.
    """

    known: npt.NDArray[np.int64]
    matrix: FloatArray | sparse.csr_matrix
    items: int

    @property
    def size(self) -> int:
        """Number of weights kept."""
        return self.matrix.size if isinstance(self.matrix, np.ndarray) else int(self.matrix.nnz)

    def scores(self, histories: sparse.csr_matrix) -> FloatArray:
        """Scores every item.

        Args:
            histories: [B, items], 1 where the user has seen the item.

        Returns:
            float32 [B, items]; 0 for items without weights.
        """
        scores = np.zeros(histories.shape, np.float32)
        summed = histories[:, self.known] @ self.matrix
        scores[:, self.known] = summed.toarray() if sparse.issparse(summed) else summed
        return scores


def with_interactions(matrix: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    """Returns the columns of a [U, N] table that have an interaction, int64 [R], in order."""
    return np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))


def low_rank(matrix: Any, rank: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Factors a square matrix into its best approximation of a given rank.

    Args:
        matrix: float32 [R, R], dense or sparse.
        rank: number of components; those that a smaller matrix does not have are 0.
        seed: of the vector that the search starts from.

    Returns:
        Left and right factors, float32 [R, rank] each; left · rightᵀ approximates the matrix.
    """
    size = matrix.shape[0]
    factors = np.zeros([2, size, rank], np.float32)
    # ARPACK finds fewer singular vectors than there are, and none of a matrix of zeros.
    if rank >= size:
        dense = matrix.toarray() if sparse.issparse(matrix) else matrix
        left, values, right = np.linalg.svd(dense)
    elif matrix.max() == matrix.min() == 0.0:
        return factors[0], factors[1]
    else:
        start = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
        left, values, right = sparse_linalg.svds(matrix, k=rank, v0=start)
    # Half of each singular value to either side keeps both factors of one scale.
    root = np.sqrt(np.maximum(values, 0.0))
    factors[0, :, : len(root)] = left * root
    factors[1, :, : len(root)] = right.T * root
    return factors[0], factors[1]


class LinearRetrieval(RetrievalModel):
    """Item-to-item weights, exact in `scorer`, of low rank in the embeddings.

    A user's embedding is the sum of the left vectors of all that they have seen, at unit length, so
    a new user needs no training; an item's is its right vector. Sums grow with the history, and
    logits would with them: the length says how much a user has seen, not how sure their choice is.
    An item without interactions has the mean of its categories' items in both; the exact weights
    know nothing of it.
    """

    def __init__(self, weights: ItemWeights, left: FloatArray, right: FloatArray):
        """Keeps the weights.

        Args:
            weights: of pairs of items.
            left: float32 [N+1, D], by item index; row 0 is zeros.
            right: float32 [N+1, D].
        """
        super().__init__(name="linear")
        self.catalogue_size = weights.items
        self.direction_size = left.shape[1]
        self.weights = weights
        self.left = tf.Variable(left, name="left")
        self.right = tf.Variable(right, name="right")
        self.scale = tf.Variable(1.0, trainable=False, name="scale")

    def embed_users(self, inputs: Tensors) -> tf.Tensor:
        """Returns what users have seen as unit vectors, float32 [B, D]; zeros for nothing."""
        return tf.math.l2_normalize(self._sums(inputs), axis=1)

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the right vectors, float32 [n, D]."""
        return tf.gather(self.right, item_index)

    def temperature(self) -> tf.Tensor:
        """Returns what scores are divided by, float32 []."""
        return tf.convert_to_tensor(self.scale)

    def scorer(self) -> Callable[[Tensors], tf.Tensor]:
        """Returns the exact scorer; it is no graph: call it with tensors that hold values."""
        temperature = float(self.scale)

        def score(inputs: Tensors) -> tf.Tensor:
            scores = self.weights.scores(histories_of(inputs, self.catalogue_size))
            length = np.linalg.norm(self._sums(inputs).numpy(), axis=1, keepdims=True)
            scores /= temperature * np.where(length > 0.0, length, 1.0)
            return tf.constant(np.pad(scores, [(0, 0), (1, 0)]))

        return score

    def served_scorer(self) -> Callable[[Tensors], tf.Tensor]:
        """Returns the scorer by embeddings: what the graph serves."""
        return super().scorer()

    def fold_in_user(
        self, item_index: npt.ArrayLike, value: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Embeds a user like any other; see `RetrievalModel.fold_in_user`."""
        chosen = check_fold_in("item_index", item_index, self.catalogue_size, value)
        inputs = {features.SEEN_INDEX: tf.constant(chosen[np.newaxis, :])}
        return np.asarray(self.embed_users(inputs).numpy()[0])

    def _sums(self, inputs: Tensors) -> tf.Tensor:
        seen = inputs[features.SEEN_INDEX]
        # Only what is there is gathered: histories are padded to the longest of the batch.
        places = tf.where(seen > 0)
        vectors = tf.gather(self.left, tf.gather_nd(seen, places))
        return tf.math.unsorted_segment_sum(vectors, places[:, 0], tf.shape(seen)[0])


def histories_of(inputs: Tensors, catalogue_size: int) -> sparse.csr_matrix:
    """Returns what users have seen as a table, float32 [B, N]; column i is item i + 1."""
    seen = inputs[features.SEEN_INDEX].numpy()
    rows, places = np.nonzero(seen)
    triple = (np.ones(len(rows), np.float32), (rows, seen[rows, places] - 1))
    return sparse.csr_matrix(triple, shape=(len(seen), catalogue_size))


def serve_weights(
    weights: ItemWeights, data: TransformedData, options: Any, context: FitContext
) -> LinearRetrieval:
    """Makes the model that serves item-to-item weights.

    Args:
        weights: of pairs of items.
        data: the transformed examples, for the catalogue and the held-out choices.
        options: of the family, with `embedding_dimension` and `validation_interactions`.
        context: for the seed.

    Returns:
        The model, its scores calibrated as it serves them.
    """
    counts = np.zeros(weights.items, np.int64)
    counts[weights.known] = 1
    categories = data.items().category_multi_hot
    sides = []
    for factor in low_rank(weights.matrix, options.embedding_dimension, context.seed):
        vectors = np.zeros([weights.items + 1, factor.shape[1]], np.float32)
        vectors[weights.known + 1] = factor
        sides.append(fill_cold_items(vectors, counts, categories))
    model = LinearRetrieval(weights, *sides)
    model.scale.assign(calibrate(model.served_scorer(), data, options, context))
    return model
