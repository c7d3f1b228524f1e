"""What the ranker sees of a user and an item: scores of all generators, both sides, and crosses.

Nothing here depends on the coordinates of an embedding: the ranker learns on earlier models, and
those that it serves with have other coordinates, but scores, places and angles mean the same.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from models import features
from models.candidates.generators import CandidateGenerators, Users
from models.category_match import category_match
from models.item_table import FloatArray, ItemTable

RECENT_ITEMS = 10  # of the history, compared with each candidate
MOST_DEVIATIONS = 5.0  # scores further from the mean are cut: a few would rule the training
SMALLEST_NORM = 1e-6  # of a vector: one that is all zeros has no direction
HALF_PLACE = 10.0  # at this place a score counts half as much as at the first


class RankingContext(NamedTuple):
    """How the scores of a user's candidates lie, which each single score is seen against.

    Attributes:
        scores: float32 [B, G, C], of the candidates.
        ordered: float32 [B, G, C], the same ascending, padding first.
        mean: float32 [B, G, 1].
        spread: float32 [B, G, 1], standard deviation, above 0.
    """

    scores: tf.Tensor
    ordered: tf.Tensor
    mean: tf.Tensor
    spread: tf.Tensor


class RankingFeatures(tf.Module):
    """Makes the ranker's features, in training and in the servable."""

    def __init__(self, generators: CandidateGenerators, table: ItemTable, mean_rating: FloatArray):
        """Keeps what is known of items.

        Args:
            generators: of the same catalogue.
            table: the catalogue.
            mean_rating: float32 [N+1].
        """
        super().__init__(name="ranking_features")
        self._generators = generators
        multi_hot = table.category_multi_hot
        numeric = table.content[:, multi_hot.shape[1] :]
        own = [mean_rating, np.log1p(multi_hot.sum(axis=1))]
        columns = np.concatenate([np.stack(own, axis=1), numeric], axis=1)
        self._items = tf.Variable(columns.astype(np.float32), trainable=False, name="items")
        # Once for all: candidates are many, and their vectors long.
        norms = np.linalg.norm(generators.families[0].vectors.numpy(), axis=1)
        scale = (1.0 / np.maximum(norms, SMALLEST_NORM)).astype(np.float32)
        self._to_unit = tf.Variable(scale, trainable=False, name="to_unit")
        self.categories = tf.Variable(multi_hot, trainable=False, name="categories")

    def context(self, users: Users, candidates: tf.Tensor) -> RankingContext:
        """Looks at the scores of all candidates, int32 [B, C], 0 pads."""
        scores = self._generators.scores(users, candidates)
        there = (candidates > 0)[:, tf.newaxis, :]
        number = tf.maximum(tf.reduce_sum(tf.cast(there, tf.float32), axis=2, keepdims=True), 1.0)
        mean = tf.reduce_sum(tf.where(there, scores, 0.0), axis=2, keepdims=True) / number
        squares = tf.where(there, (scores - mean) ** 2, 0.0)
        spread = tf.sqrt(tf.reduce_sum(squares, axis=2, keepdims=True) / number)
        ordered = tf.sort(tf.where(there, scores, scores.dtype.min), axis=2)
        return RankingContext(scores, ordered, mean, tf.where(spread > 0.0, spread, 1.0))

    def of(self, users: Users, index: tf.Tensor, context: RankingContext) -> tf.Tensor:
        """Returns the features of any items.

        Args:
            users: B of them.
            index: int32 [B, N], 0 pads.
            context: of the same users.

        Returns:
            float32 [B, N, F].
        """
        return self._made(users, index, self._generators.scores(users, index), context)

    def of_candidates(
        self, users: Users, candidates: tf.Tensor, context: RankingContext
    ) -> tf.Tensor:
        """Returns the features of the candidates that a context was made of.

        Their scores, which take long, are not computed again.

        Args:
            users: B of them.
            candidates: int32 [B, C], 0 pads.
            context: of the same.

        Returns:
            float32 [B, C, F].
        """
        return self._made(users, candidates, context.scores, context)

    def _made(
        self, users: Users, index: tf.Tensor, scores: tf.Tensor, context: RankingContext
    ) -> tf.Tensor:
        rows, number = tf.shape(index)[0], tf.shape(index)[1]
        deviation = (scores - context.mean) / context.spread
        deviation = tf.clip_by_value(deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        place = self._places(scores, context.ordered)
        of_scores = [deviation, tf.math.log1p(place), HALF_PLACE / (HALF_PLACE + place)]
        of_scores = tf.transpose(tf.concat(of_scores, axis=1), [0, 2, 1])
        user = users.inputs[features.USER_STATISTICS]
        user = tf.broadcast_to(user[:, tf.newaxis, :], tf.stack([rows, number, tf.shape(user)[1]]))
        return tf.concat(
            [
                of_scores,
                # Popularity in itself, not among the candidates alone.
                tf.expand_dims(scores[:, -1], 2),
                tf.gather(self._items, index),
                category_match(users.inputs, self.categories, index),
                self._recent_similarity(users, index),
                user,
            ],
            axis=2,
        )

    def _places(self, scores: tf.Tensor, ordered: tf.Tensor) -> tf.Tensor:
        """Returns how many candidates have a greater score: float32 [B, G, N]."""
        size = tf.shape(ordered)[2]
        flat = tf.reshape(ordered, tf.stack([-1, size]))
        values = tf.reshape(scores, tf.stack([tf.shape(flat)[0], tf.shape(scores)[2]]))
        place = size - tf.searchsorted(flat, values, side="right")
        return tf.cast(tf.reshape(place, tf.shape(scores)), tf.float32)

    def _recent_similarity(self, users: Users, index: tf.Tensor) -> tf.Tensor:
        """Largest and mean cosine with the newest items of the history: float32 [B, N, 2]."""
        vectors = self._generators.families[0].vectors
        recent_index = users.seen[:, :RECENT_ITEMS]
        present = tf.cast(recent_index > 0, tf.float32)
        recent_scale = present * tf.gather(self._to_unit, recent_index)
        recent = tf.gather(vectors, recent_index) * recent_scale[:, :, tf.newaxis]
        # A column of nothing, so that there is a largest where nobody has a history.
        recent = tf.pad(recent, [[0, 0], [0, 1], [0, 0]])
        similarity = tf.matmul(tf.gather(vectors, index), recent, transpose_b=True)
        similarity *= tf.gather(self._to_unit, index)[:, :, tf.newaxis]
        count = tf.reduce_sum(present, axis=1)[:, tf.newaxis]
        mean = tf.math.divide_no_nan(tf.reduce_sum(similarity, axis=2), count)
        return tf.stack([tf.reduce_max(similarity, axis=2), mean], axis=2)
