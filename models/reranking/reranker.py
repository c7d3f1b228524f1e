"""From what the ranker thinks of candidates to the list that is shown."""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from models.item_facts import ItemFacts
from models.options import RerankingOptions
from models.reranking.adjustments import fresh_share, relative_popularity, worth
from models.reranking.greedy import CategoryCap, greedy_places

Vectors = Callable[[tf.Tensor], tf.Tensor]


class Reranked(NamedTuple):
    """The first k places of each row.

    Attributes:
        position: int32 [B, k], into the candidates; 0 pads.
        score: float32 [B, k], relevance with what freshness and popularity add and take; it does
            not descend where diversity or a cap made the order. 0 pads.
        valid: bool [B, k], false for padding, which comes last.
    """

    position: tf.Tensor
    score: tf.Tensor
    valid: tf.Tensor


class Reranker(tf.Module):
    """Re-ranks in core operations, batched; without any strength it is the ranker's top k."""

    def __init__(self, facts: ItemFacts, options: RerankingOptions):
        """Sets the defaults.

        Args:
            facts: of the catalogue.
            options: of the configuration.
        """
        super().__init__(name="reranker")
        self._facts = facts
        self._options = options

    def rerank(
        self,
        index: tf.Tensor,
        relevance: tf.Tensor,
        vectors: Vectors,
        diversity: tf.Tensor,
        freshness: tf.Tensor,
        k: tf.Tensor,
    ) -> Reranked:
        """Chooses the first k of each row's candidates.

        Args:
            index: int32 [B, N], item indices, 0 pads.
            relevance: float32 [B, N], finite where index is not 0.
            vectors: from item indices int32 [B, n] to their unit directions float32 [B, n, D]; what
                it does is done only for requests that need it.
            diversity: float32 [B], 0 to 1, or below 0 for the configured default.
            freshness: float32 [B], the same.
            k: int32 [], at least 1.

        Returns:
            Rows of k places, however few the candidates are.
        """
        diversity = tf.where(diversity < 0.0, self._options.diversity, diversity)
        freshness = tf.where(freshness < 0.0, self._options.freshness, freshness)
        # As wide as what is asked for, so that no step below needs to care.
        padding = [[0, 0], [0, tf.maximum(k - tf.shape(index)[1], 0)]]
        index, relevance = tf.pad(index, padding), tf.pad(relevance, padding)
        score = self._adjusted(index, relevance, freshness[:, tf.newaxis])

        def ordered() -> Reranked:
            return _best(score, index > 0, k)

        def chosen() -> Reranked:
            return self._chosen(index, score, vectors, diversity, k)

        if self._options.category_cap is not None:
            return chosen()
        return tf.cond(tf.reduce_any(diversity > 0.0), chosen, ordered)

    def _adjusted(self, index: tf.Tensor, relevance: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """Returns relevance with what freshness adds and popularity takes, [B, N]."""
        valid = index > 0

        def with_freshness() -> tf.Tensor:
            age = self._facts.age_days(index)
            fresh = fresh_share(age, self._options.freshness_half_life_days)
            return relevance + strength * worth(relevance, valid) * fresh

        score = tf.cond(tf.reduce_any(strength > 0.0), with_freshness, lambda: relevance)
        if self._options.popularity_penalty == 0.0:
            return score
        popularity = relative_popularity(self._facts.log_popularity(index), valid)
        return score - self._options.popularity_penalty * worth(relevance, valid) * popularity

    def _chosen(
        self,
        index: tf.Tensor,
        score: tf.Tensor,
        vectors: Vectors,
        diversity: tf.Tensor,
        k: tf.Tensor,
    ) -> Reranked:
        """Chooses the leading places one by one."""
        # Sorted first: the greedy choice then breaks ties, and leaves the rest, in this order.
        ordered = _best(score, index > 0, tf.shape(index)[1])
        index = tf.gather(index, ordered.position, axis=1, batch_dims=1)
        index = tf.where(ordered.valid, index, 0)
        # A cap alone holds for fewer places, and needs no directions, which cost the most.
        diverse = tf.reduce_any(diversity > 0.0)
        within = self._options.category_cap_within
        steps = tf.where(diverse, self._options.diversify_first, within)
        alike_to_none = tf.zeros_like(index, tf.float32)[:, :, tf.newaxis]
        directions = tf.cond(diverse, lambda: vectors(index), lambda: alike_to_none)
        place = greedy_places(
            ordered.score,
            ordered.valid,
            directions,
            diversity,
            tf.minimum(steps, k),
            self._cap(index),
        )
        _, first = tf.math.top_k(-place, k)
        return Reranked(*(tf.gather(column, first, axis=1, batch_dims=1) for column in ordered))

    def _cap(self, index: tf.Tensor) -> CategoryCap | None:
        """Returns the cap for candidates [B, N], if the configuration has one."""
        if self._options.category_cap is None:
            return None
        return CategoryCap(
            categories=self._facts.categories(index),
            category_count=self._facts.category_count,
            most=self._options.category_cap,
            within=self._options.category_cap_within,
        )


def _best(score: tf.Tensor, valid: tf.Tensor, k: tf.Tensor) -> Reranked:
    """Returns the k places of the greatest scores; of equals, the first comes first."""
    score, position = tf.math.top_k(tf.where(valid, score, -math.inf), k)
    valid = score > -math.inf
    return Reranked(tf.where(valid, position, 0), tf.where(valid, score, 0.0), valid)
