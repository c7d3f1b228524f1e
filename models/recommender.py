"""From a user's features to a list: retrieve, filter, rank, re-rank.

Every signature that recommends, the Evaluator's too, goes through here.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from models import features
from models.candidates.generators import CandidateGenerators, Tensors, Users
from models.candidates.merge import Merged
from models.item_store import ItemStore
from models.ranking_features import RankingFeatures
from models.related import RelatedItems
from models.reranking.reranker import Reranker

UNRANKED_SCORE = -1e9  # of an item outside the catalogue: below every real score, and finite
DEFAULT_STRENGTH = -1.0  # the configured one


class ItemList(NamedTuple):
    """Items for each user, best first.

    Attributes:
        index: int32 [B, k], 0 pads.
        score: float32 [B, k], 0 pads.
        source: string [B, k], "" pads.
    """

    index: tf.Tensor
    score: tf.Tensor
    source: tf.Tensor


class Wishes(NamedTuple):
    """What a request asks for beside the number of items.

    Attributes:
        excluded_category: string [B, C], "" pads; None where the signature has none.
        diversity: float32 [B], 0 to 1; below 0 stands for the configured one.
        freshness: float32 [B], the same.
    """

    excluded_category: tf.Tensor | None
    diversity: tf.Tensor
    freshness: tf.Tensor


class Recommender(tf.Module):
    """Candidate generators, ranker and re-ranker over one catalogue."""

    def __init__(
        self,
        generators: CandidateGenerators,
        ranking_features: RankingFeatures,
        ranker: Any,
        reranker: Reranker,
        related: RelatedItems,
        items: ItemStore,
    ):
        """Joins the parts.

        Args:
            generators: of the final models.
            ranking_features: over the generators.
            ranker: a loaded ranker export.
            reranker: over the same catalogue.
            related: over the main family's embeddings.
            items: the same catalogue as text.
        """
        super().__init__(name="recommender")
        self._generators = generators
        self._ranking_features = ranking_features
        self._ranker = ranker
        self._reranker = reranker
        self._related = related
        self._items = items
        # The last for padding, whose number is -1.
        self._sources = tf.Variable([*generators.sources, ""], dtype=tf.string, trainable=False)

    def users(self, inputs: Tensors) -> Users:
        """Embeds users.

        Args:
            inputs: transformed user features and SEEN_INDEX, each [B, ...].

        Returns:
            What the other methods ask for.
        """
        return self._generators.users(inputs)

    def retrieve(
        self, users: Users, excluded: tf.Tensor, excluded_category: tf.Tensor | None = None
    ) -> ItemList:
        """Finds the candidates of each user, the generators taking turns.

        Args:
            users: B of them.
            excluded: int32 [B, X], item indices never to be returned, 0 pads.
            excluded_category: string [B, C], "" pads.

        Returns:
            Lists as long as the configured number of candidates; each score is that of the
            generator which came first with the item.
        """
        found = self._candidates(users, excluded, excluded_category)
        return ItemList(found.index, found.score, self._named(found.source))

    def recommend(
        self, users: Users, excluded: tf.Tensor, k: tf.Tensor, wishes: Wishes | None = None
    ) -> ItemList:
        """Ranks and re-ranks the candidates of each user and returns the first k.

        Args:
            users: B of them.
            excluded: int32 [B, X], item indices never to be returned, 0 pads.
            k: int32 [].
            wishes: of the request; the configured strengths by default.

        Returns:
            Lists of k items.
        """
        if wishes is None:
            default = tf.fill([tf.shape(users.cold)[0]], DEFAULT_STRENGTH)
            wishes = Wishes(None, default, default)
        found = self._candidates(users, excluded, wishes.excluded_category)
        context = self._ranking_features.context(users, found.index)
        made = self._ranking_features.of_candidates(users, found.index, context)
        score = self._ranker.relevance(made)
        # Nobody's taste chose a cold user's candidates: they keep their turns.
        size = tf.shape(found.index)[1]
        turn = 1.0 / tf.range(1.0, tf.cast(size, tf.float32) + 1.0)
        score = tf.where(users.cold[:, tf.newaxis], turn, score)
        best = self._reranker.rerank(
            found.index, score, self._directions, wishes.diversity, wishes.freshness, k
        )
        index = tf.gather(found.index, best.position, axis=1, batch_dims=1)
        source = tf.gather(found.source, best.position, axis=1, batch_dims=1)
        return ItemList(
            tf.where(best.valid, index, 0),
            tf.where(best.valid, best.score, 0.0),
            self._named(tf.where(best.valid, source, -1)),
        )

    def rank(
        self, users: Users, excluded: tf.Tensor, index: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores items against the candidates that the users would have got.

        Args:
            users: B of them.
            excluded: int32 [B, X], what is no candidate.
            index: int32 [B, N], 0 pads.

        Returns:
            Relevance and predicted ratings, each float32 [B, N].
        """
        found = self._candidates(users, excluded, None)
        context = self._ranking_features.context(users, found.index)
        relevance = self._ranker.relevance(self._ranking_features.of(users, index, context))
        return tf.where(index > 0, relevance, UNRANKED_SCORE), self.rating(users, index)

    def rating(self, users: Users, index: tf.Tensor) -> tf.Tensor:
        """Predicts the ratings of items int32 [B, N], float32 [B, N]; 0 for padding."""
        rating = self._ranker.rating(users.inputs, tf.cast(index, tf.int64))
        return tf.where(index > 0, rating, 0.0)

    def similar(self, index: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the k items nearest to each item and their cosines, [B, k]; nothing for 0."""
        return self._related.of(index, k)

    def embed_items(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the main family's embeddings, float32 [B, D]; zeros for 0."""
        return tf.gather(self._generators.families[0].vectors, index)

    def popular(self, excluded: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
        """Returns the k most popular items not excluded, int32 [B, k], 0 pads."""
        return self._generators.popular.top(excluded, k)[0]

    def distance(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the mean cosine distance between the items of each list.

        Args:
            index: int32 [B, k], each item once a row, 0 pads.

        Returns:
            float32 [B], 0 for lists of fewer than two items.
        """
        there = tf.cast(index > 0, tf.float32)
        vectors = self._directions(index) * there[:, :, tf.newaxis]
        number = tf.reduce_sum(there, axis=1)
        # The square of the sum is the sum over all pairs, each twice, and of the squares.
        squares = tf.reduce_sum(vectors**2, axis=[1, 2])
        pairs = tf.reduce_sum(tf.reduce_sum(vectors, axis=1) ** 2, axis=1) - squares
        return tf.math.divide_no_nan(number * (number - 1.0) - pairs, number * (number - 1.0))

    def _candidates(
        self, users: Users, excluded: tf.Tensor, excluded_category: tf.Tensor | None
    ) -> Merged:
        if excluded_category is None:
            return self._generators.retrieve(users, excluded)

        def allows(index: tf.Tensor) -> tf.Tensor:
            return ~self._items.in_category(index, excluded_category)

        filtered = tf.reduce_any(excluded_category != "", axis=1)
        return tf.cond(
            tf.reduce_any(filtered),
            lambda: self._generators.retrieve(users, excluded, allows, filtered),
            lambda: self._generators.retrieve(users, excluded),
        )

    def _directions(self, index: tf.Tensor) -> tf.Tensor:
        return self._related.directions(index)

    def _named(self, source: tf.Tensor) -> tf.Tensor:
        number = self._sources.shape[0] - 1
        return tf.gather(self._sources, tf.where(source < 0, number, source))


def known_by(inputs: Tensors, kept: tuple[str, ...], nobody: Tensors) -> Tensors:
    """Returns the features of users of whom only some are known.

    Args:
        inputs: transformed user features, each [B, ...].
        kept: names of the features that are known.
        nobody: features of a user about whom nothing is known, each [1, ...].
    """
    rows = tf.shape(inputs[features.USER_INDEX])[0]
    return {
        name: value if name in kept else tf.repeat(nobody[name], rows, axis=0)
        for name, value in inputs.items()
    }
