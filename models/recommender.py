"""From a user's features to a list: retrieve, filter, rank, fall back to what is popular.

Every signature that recommends, the Evaluator's too, goes through here.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from models import contract, features
from models.index import Index
from models.item_store import ItemStore
from models.membership import is_member
from models.popularity import PopularItems

Tensors = dict[str, tf.Tensor]

UNRANKED_SCORE = -1e9  # of an item outside the catalogue: below every real score, and finite


class Users(NamedTuple):
    """Users as every step of a request reads them, computed once.

    Attributes:
        inputs: transformed user features, each [B, ...].
        embedding: float32 [B, D], unit vectors of retrieval.
        cold: bool [B], true for a user without any history to go by.
    """

    inputs: Tensors
    embedding: tf.Tensor
    cold: tf.Tensor


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


class Recommender(tf.Module):
    """Retrieval, ranking and the popular fallback over one catalogue."""

    def __init__(
        self,
        retrieval: Any,
        ranker: Any,
        index: Index,
        popular: PopularItems,
        items: ItemStore,
        catalogue_size: int,
        candidates: int,
    ):
        """Joins the parts.

        Args:
            retrieval: a loaded retrieval export.
            ranker: a loaded ranker export.
            index: over the catalogue's embeddings.
            popular: over the same catalogue.
            items: the same catalogue as text.
            catalogue_size: number of items.
            candidates: retrieved for each request.
        """
        super().__init__(name="recommender")
        self._retrieval = retrieval
        self._ranker = ranker
        self._index = index
        self._popular = popular
        self._items = items
        self._catalogue_size = catalogue_size
        self._candidates = candidates

    def users(self, inputs: Tensors) -> Users:
        """Embeds users.

        Args:
            inputs: transformed user features, each [B, ...].

        Returns:
            What the other methods ask for.
        """
        cold = tf.reduce_all(inputs[features.HISTORY_INDEX] == 0, axis=1)
        return Users(inputs, self._retrieval.embed_users(inputs), cold)

    def retrieve(
        self, users: Users, excluded: tf.Tensor, excluded_category: tf.Tensor | None = None
    ) -> ItemList:
        """Finds the candidates of each user, best first.

        Args:
            users: B of them.
            excluded: int32 [B, X], item indices never to be returned, 0 pads.
            excluded_category: string [B, C], "" pads.

        Returns:
            Lists as long as the configured number of candidates.
        """
        # As many more as could fall to the filter, so that enough are left after it.
        wanted = tf.minimum(self._candidates + tf.shape(excluded)[1], self._catalogue_size)
        if excluded_category is not None:
            filtered = tf.reduce_any(excluded_category != "")
            wanted = tf.where(filtered, self._catalogue_size, wanted)
        index, score = self._index.search(users.embedding, wanted)
        allowed = (index > 0) & ~is_member(index, excluded)
        if excluded_category is not None:
            allowed &= ~self._items.in_category(index, excluded_category)
        found = _best(index, score, allowed, tf.constant(self._candidates))
        nominated = _sources(found[0], contract.SOURCE_TWO_TOWER)
        return self._popular_when_cold(
            users.cold, excluded, excluded_category, ItemList(*found, nominated)
        )

    def recommend(
        self,
        users: Users,
        excluded: tf.Tensor,
        k: tf.Tensor,
        excluded_category: tf.Tensor | None = None,
    ) -> ItemList:
        """Ranks the candidates of each user and returns the first k.

        Args:
            users: B of them.
            excluded: int32 [B, X], item indices never to be returned, 0 pads.
            k: int32 [], at most the configured number of candidates.
            excluded_category: string [B, C], "" pads.

        Returns:
            Lists of k items.
        """
        candidates = self.retrieve(users, excluded, excluded_category)
        relevance, _ = self.rank(users, candidates.index)
        # Popular items were not chosen for the user's taste: they keep their order.
        cold = users.cold[:, tf.newaxis]
        score = tf.where(cold, candidates.score, relevance)
        index, score = _best(candidates.index, score, candidates.index > 0, k)
        source = tf.where(
            cold,
            _sources(index, contract.SOURCE_POPULAR),
            _sources(index, contract.SOURCE_TWO_TOWER),
        )
        return ItemList(index, score, source)

    def rank(self, users: Users, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns relevance and predicted rating of items int32 [B, N], each float32 [B, N]."""
        relevance, rating = self._ranker.rank(
            users.inputs, users.embedding, tf.cast(index, tf.int64)
        )
        known = index > 0
        return tf.where(known, relevance, UNRANKED_SCORE), tf.where(known, rating, 0.0)

    def similar(self, index: tf.Tensor, k: tf.Tensor) -> ItemList:
        """Returns the k items nearest to each item, itself left out; an empty list for 0."""
        embedding = self._retrieval.embed_items(tf.cast(index, tf.int64))
        wanted = tf.minimum(k + 1, self._catalogue_size)
        found, score = self._index.search(embedding, wanted)
        allowed = (found > 0) & (found != index[:, tf.newaxis]) & (index > 0)[:, tf.newaxis]
        best = _best(found, score, allowed, k)
        return ItemList(*best, _sources(best[0], contract.SOURCE_TWO_TOWER))

    def embed_items(self, index: tf.Tensor) -> tf.Tensor:
        """Returns unit vectors, float32 [B, D]; zeros for 0."""
        embedding = self._retrieval.embed_items(tf.cast(index, tf.int64))
        return tf.where((index > 0)[:, tf.newaxis], embedding, 0.0)

    def popular(self, excluded: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
        """Returns the k most popular items not excluded, int32 [B, k], 0 pads."""
        return self._popular.top(excluded, k)[0]

    def _popular_when_cold(
        self,
        cold: tf.Tensor,
        excluded: tf.Tensor,
        excluded_category: tf.Tensor | None,
        found: ItemList,
    ) -> ItemList:
        def popular() -> tuple[tf.Tensor, tf.Tensor]:
            wanted = tf.constant(self._candidates)
            if excluded_category is None:
                return self._popular.top(excluded, wanted)
            index, score = self._popular.top(excluded, tf.constant(self._catalogue_size))
            allowed = (index > 0) & ~self._items.in_category(index, excluded_category)
            return _best(index, score, allowed, wanted)

        index, score = tf.cond(tf.reduce_any(cold), popular, lambda: (found.index, found.score))
        rows = cold[:, tf.newaxis]
        return ItemList(
            tf.where(rows, index, found.index),
            tf.where(rows, score, found.score),
            tf.where(rows, _sources(index, contract.SOURCE_POPULAR), found.source),
        )


def _sources(index: tf.Tensor, source: str) -> tf.Tensor:
    return tf.where(index > 0, source, "")


def _best(
    index: tf.Tensor, score: tf.Tensor, allowed: tf.Tensor, k: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k best allowed items and their scores, each [B, k], 0 pads."""
    missing = tf.maximum(k - tf.shape(index)[1], 0)
    padding = [[0, 0], [0, missing]]
    masked = tf.pad(
        tf.where(allowed, score, score.dtype.min), padding, constant_values=score.dtype.min
    )
    index = tf.pad(tf.where(allowed, index, 0), padding)
    best, position = tf.math.top_k(masked, k)
    best_index = tf.gather(index, position, axis=1, batch_dims=1)
    return best_index, tf.where(best_index > 0, best, 0.0)
