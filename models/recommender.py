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
        embedding: float32 [B, D], of retrieval.
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
        related: Index,
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
            related: over their directions, see `directions`.
            popular: over the same catalogue.
            items: the same catalogue as text.
            catalogue_size: number of items.
            candidates: retrieved for each request.
        """
        super().__init__(name="recommender")
        self._retrieval = retrieval
        self._ranker = ranker
        self._source = retrieval.kind.numpy().decode()
        self._direction_size = int(retrieval.direction_size.numpy())
        self._index = index
        self._related = related
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
        own = self._nearest(users, excluded, excluded_category)
        return tf.cond(
            tf.reduce_any(own.index == 0),
            lambda: self._topped_up(own, excluded, excluded_category),
            lambda: own,
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
        # A cold user's popular items were not chosen for a taste: they keep their order.
        score = tf.where(users.cold[:, tf.newaxis], candidates.score, relevance)
        return _best(candidates._replace(score=score), candidates.index > 0, k)

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
        query = directions(embedding, self._direction_size)
        found = _nominated(*self._related.search(query, wanted), self._source)
        allowed = (found.index != index[:, tf.newaxis]) & (index > 0)[:, tf.newaxis]
        return _best(found, allowed, k)

    def embed_items(self, index: tf.Tensor) -> tf.Tensor:
        """Returns retrieval's embeddings, float32 [B, D]; zeros for 0."""
        embedding = self._retrieval.embed_items(tf.cast(index, tf.int64))
        return tf.where((index > 0)[:, tf.newaxis], embedding, 0.0)

    def popular(self, excluded: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
        """Returns the k most popular items not excluded, int32 [B, k], 0 pads."""
        return self._popular.top(excluded, k)[0]

    def _nearest(
        self, users: Users, excluded: tf.Tensor, excluded_category: tf.Tensor | None
    ) -> ItemList:
        """Retrieval's candidates; none for a cold user, whose vector says nothing."""
        # As many more as could fall to the filter, so that enough are left after it.
        wanted = tf.minimum(self._candidates + tf.shape(excluded)[1], self._catalogue_size)
        if excluded_category is not None:
            filtered = tf.reduce_any(excluded_category != "")
            wanted = tf.where(filtered, self._catalogue_size, wanted)
        found = _nominated(*self._index.search(users.embedding, wanted), self._source)
        allowed = ~is_member(found.index, excluded) & ~users.cold[:, tf.newaxis]
        allowed &= self._category_allowed(found.index, excluded_category)
        return _best(found, allowed, tf.constant(self._candidates))

    def _topped_up(
        self, own: ItemList, excluded: tf.Tensor, excluded_category: tf.Tensor | None
    ) -> ItemList:
        """Fills what is missing from lists with the most popular items that are left."""
        wanted = tf.constant(self._candidates)
        if excluded_category is not None:
            wanted = tf.constant(self._catalogue_size)
        excluded = tf.concat([excluded, own.index], axis=1)
        popular = _nominated(*self._popular.top(excluded, wanted), contract.SOURCE_POPULAR)
        allowed = self._category_allowed(popular.index, excluded_category)
        popular = popular._replace(index=tf.where(allowed, popular.index, 0))
        both = ItemList(*(tf.concat(pair, axis=1) for pair in zip(own, popular, strict=True)))
        # Scores of the two do not compare: the order is theirs, retrieval's first.
        order = tf.argsort(tf.cast(both.index == 0, tf.int32), axis=1, stable=True)
        first = order[:, : self._candidates]
        return ItemList(*(tf.gather(column, first, axis=1, batch_dims=1) for column in both))

    def _category_allowed(self, index: tf.Tensor, excluded_category: tf.Tensor | None) -> tf.Tensor:
        if excluded_category is None:
            return tf.ones_like(index, tf.bool)
        return ~self._items.in_category(index, excluded_category)


def directions(embedding: tf.Tensor, size: int) -> tf.Tensor:
    """Returns what items are like, whatever their biases and length: unit rows, float32 [n, size].

    Args:
        embedding: float32 [n, D], of retrieval.
        size: leading components that are no biases.
    """
    return tf.math.l2_normalize(embedding[:, :size], axis=-1)


def _nominated(index: tf.Tensor, score: tf.Tensor, source: str) -> ItemList:
    return ItemList(index, score, tf.where(index > 0, source, ""))


def _best(found: ItemList, allowed: tf.Tensor, k: tf.Tensor) -> ItemList:
    """Returns the k best of the items that are there and allowed, 0 pads."""
    lowest = found.score.dtype.min
    allowed &= found.index > 0
    padding = [[0, 0], [0, tf.maximum(k - tf.shape(found.index)[1], 0)]]
    index = tf.pad(tf.where(allowed, found.index, 0), padding)
    score = tf.pad(tf.where(allowed, found.score, lowest), padding, constant_values=lowest)
    source = tf.pad(tf.where(allowed, found.source, ""), padding, constant_values="")
    score, position = tf.math.top_k(score, k)
    index = tf.gather(index, position, axis=1, batch_dims=1)
    source = tf.gather(source, position, axis=1, batch_dims=1)
    return ItemList(index, tf.where(index > 0, score, 0.0), source)
