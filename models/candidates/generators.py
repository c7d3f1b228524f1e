"""The candidate generators over one catalogue: who nominates what, and what each says of an item.

The same code retrieves for the ranker's training, from earlier models, and in the servable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import contract, features
from models.candidates.item_neighbours import ItemNeighbours, recency, slots_of
from models.candidates.merge import NO_SOURCE, Merged, Nominations, merge
from models.candidates.options import CandidateOptions
from models.index import Index
from models.item_table import FloatArray
from models.popularity import PopularItems
from models.ties import tie_order

WHOLE = 500  # newest items that item-to-item weights are summed over
RECENT_DECAY = 10.0  # places further back, at which one counts 1/e
TABLE_SCORES = (
    "following_recent",
    "following_whole",
    "nearby_recent",
    "nearby_whole",
    "popularity",
)
FILTERED_TIMES = 4  # more is searched for when a request filters
MOST_FRESH = 10_000  # items with few interactions that are looked at
FRESH_STRIDE = 10.0  # a fresh item's turn comes after so many of the others'

Tensors = dict[str, tf.Tensor]
Allows = Callable[[tf.Tensor], tf.Tensor]


class Users(NamedTuple):
    """Users as every step of a request reads them, computed once.

    Attributes:
        inputs: transformed user features, each [B, ...].
        embeddings: of each family, float32 [B, D].
        seen: int32 [B, S], all that they have had, newest first, 0 pads.
        cold: bool [B], true for a user without any history to go by.
    """

    inputs: Tensors
    embeddings: list[tf.Tensor]
    seen: tf.Tensor
    cold: tf.Tensor


class Family(NamedTuple):
    """A retrieval model as it is searched.

    Attributes:
        export: a loaded retrieval export.
        nearest: index over the embeddings of all items that may be nominated.
        vectors: float32 [N+1, D], embeddings by item index.
        kind: of the family.
    """

    export: Any
    nearest: Index
    vectors: tf.Variable
    kind: str


@dataclass(frozen=True)
class Counted:
    """Statistics as the generators read them; see `CatalogueStatistics` for shapes."""

    counts: FloatArray
    category_top: npt.NDArray[np.int32]
    attribute_top: Sequence[npt.NDArray[np.int32]]
    following: ItemNeighbours
    nearby: ItemNeighbours


class CandidateGenerators(tf.Module):
    """Nominates items and scores any item as each generator sees it."""

    def __init__(
        self,
        families: Sequence[Family],
        counted: Counted,
        recommendable: npt.NDArray[np.bool_],
        options: CandidateOptions,
        size: int,
    ):
        """Joins the generators.

        Args:
            families: the main one first.
            counted: of the same catalogue.
            recommendable: bool [N+1], what may be nominated at all.
            options: how many each nominates.
            size: candidates of a request.
        """
        super().__init__(name="candidates")
        self.families = list(families)
        self._following = counted.following
        self._nearby = counted.nearby
        self._options = options
        self._size = size
        self._catalogue_size = len(recommendable) - 1
        self._recommendable = tf.Variable(recommendable, trainable=False, name="recommendable")
        self._all_recommendable = bool(recommendable[1:].all())
        self._nominable = int(np.count_nonzero(recommendable))
        self.popular = PopularItems(np.where(recommendable[1:], counted.counts[1:], -1.0))
        share = (counted.counts + 1.0) / (counted.counts[1:] + 1.0).sum()
        self._log_share = tf.Variable(np.log(share).astype(np.float32), trainable=False)
        self._category_top = tf.Variable(counted.category_top, trainable=False)
        self._attribute_top = [tf.Variable(top, trainable=False) for top in counted.attribute_top]
        fresh = self._fresh_items(counted.counts, recommendable)
        self._fresh = tf.Variable(fresh, trainable=False, name="fresh")
        vectors = tf.gather(self.families[0].vectors, fresh)
        self._fresh_vectors = tf.Variable(vectors, trainable=False, name="fresh_vectors")
        self.sources = [
            *(family.kind for family in self.families),
            contract.SOURCE_NEIGHBOURS,
            contract.SOURCE_CATEGORIES,
            contract.SOURCE_ATTRIBUTES,
            contract.SOURCE_FRESH,
            contract.SOURCE_POPULAR,
        ]

    @property
    def score_names(self) -> list[str]:
        """What `scores` returns, in order."""
        return [*(family.kind for family in self.families), *TABLE_SCORES]

    def users(self, inputs: Tensors) -> Users:
        """Embeds users.

        Args:
            inputs: transformed user features and SEEN_INDEX, each [B, ...].

        Returns:
            What the other methods ask for.
        """
        cold = tf.reduce_all(inputs[features.HISTORY_INDEX] == 0, axis=1)
        embeddings = [family.export.embed_users(inputs) for family in self.families]
        return Users(inputs, embeddings, tf.cast(inputs[features.SEEN_INDEX], tf.int32), cold)

    def retrieve(
        self,
        users: Users,
        excluded: tf.Tensor,
        allows: Allows | None = None,
        filtered: tf.Tensor | None = None,
    ) -> Merged:
        """Finds the candidates of each user, the generators taking turns.

        Args:
            users: B of them, each of whom gets what they would get alone.
            excluded: int32 [B, X], item indices never to be returned, 0 pads.
            allows: a further filter, from int32 [B, n] to bool [B, n].
            filtered: bool [B], whose items that filter may refuse; everybody's by default.

        Returns:
            Lists as long as the configured number of candidates; `source` counts in `sources`.
        """
        allowed = self._allowed(allows)
        if filtered is None:
            filtered = tf.fill([tf.shape(excluded)[0]], allows is not None)
        parts = self._nominations(users, excluded, filtered)
        merged = merge(parts, excluded, tf.constant(self._size), allowed)
        # Filters may leave too little; what is popular fills up, over the whole catalogue.
        return tf.cond(
            tf.reduce_any(merged.index == 0),
            lambda: self._topped_up(merged, excluded, allows),
            lambda: merged,
        )

    def scores(self, users: Users, index: tf.Tensor) -> tf.Tensor:
        """Says what each generator thinks of items, whoever nominated them.

        Args:
            users: B of them.
            index: int32 [B, N], 0 pads.

        Returns:
            float32 [B, G, N], in the order of `score_names`; not comparable between generators.
        """
        scores = [
            tf.einsum("bd,bnd->bn", embedding, tf.gather(family.vectors, index))
            / family.export.temperature
            for family, embedding in zip(self.families, users.embeddings, strict=True)
        ]
        scores = tf.stack(scores, axis=1)
        history, strength = users.seen[:, :WHOLE], recency(WHOLE, RECENT_DECAY)
        slots = slots_of(index, self._catalogue_size)
        following = self._following.scores(history, strength, index, slots)
        nearby = self._nearby.scores(history, strength, index, slots)
        popularity = tf.gather(self._log_share, index)[:, tf.newaxis, :]
        return tf.concat([scores, following, nearby, popularity], axis=1)

    def _allowed(self, allows: Allows | None) -> Allows | None:
        if self._all_recommendable:
            return allows

        def both(index: tf.Tensor) -> tf.Tensor:
            allowed = tf.gather(self._recommendable, index)
            return allowed if allows is None else allowed & allows(index)

        return both

    def _nominations(
        self, users: Users, excluded: tf.Tensor, filtered: tf.Tensor
    ) -> list[Nominations]:
        options = self._options
        rows = tf.shape(users.cold)[0]
        # Of each row's own, not of the longest row's: whom a user shares a batch with, in training
        # above all, must not change who nominates how many.
        own = tf.math.count_nonzero(excluded > 0, axis=1, dtype=tf.int32)
        # As many more as could fall to the filters, so that enough are left after them.
        times = tf.where(filtered, FILTERED_TIMES, 1)
        numbers = [self._size, *(options.nearest for _ in self.families[1:])]
        parts = [
            self._nearest(users, place, number * times + own)
            for place, number in enumerate(numbers)
        ]
        rest = range(len(parts), len(self.sources))
        neighbours, categories, attributes, fresh_place, popular = rest
        if options.history and options.neighbours:
            parts.append(self._neighbours(users, neighbours))
        if options.categories and options.of_category:
            parts.append(self._of_categories(users, categories))
        if options.of_attribute and self._attribute_top:
            parts.append(self._of_attributes(users, attributes))
        if self._fresh.shape[0]:
            parts.append(self._of_fresh(users, fresh_place))
        if options.popular:
            # A user's own items are popular ones more often than not.
            number = tf.minimum(_greatest(options.popular + own), self._catalogue_size)
            index, score = self.popular.top(tf.zeros([rows, 0], tf.int32), number)
            index = _first(index, options.popular + own)
            parts.append(_in_turn(index, score, _turns(index), popular))
        return parts

    def _nearest(self, users: Users, place: int, number: tf.Tensor) -> Nominations:
        """What a family finds, int32 [B] of it.

        Nothing for a cold user, whose vector says nothing.
        """
        wanted = tf.minimum(_greatest(number), self._nominable)
        index, score = self.families[place].nearest.search(users.embeddings[place], wanted)
        index = _first(index, tf.where(users.cold, 0, number))
        return _in_turn(index, score, _turns(index), place)

    def _neighbours(self, users: Users, place: int) -> Nominations:
        history = tf.cast(users.inputs[features.HISTORY_INDEX], tf.int32)
        history = history[:, : self._options.history]
        return _lists(*self._following.nearest(history, self._options.neighbours), place)

    def _of_categories(self, users: Users, place: int) -> Nominations:
        share = users.inputs[features.USER_CATEGORY_SHARE]
        number = min(self._options.categories, share.shape[1])
        best, category = tf.math.top_k(share, number)
        index = tf.gather(self._category_top, category)
        index = tf.where((best > 0.0)[:, :, tf.newaxis], index, 0)
        return _lists(index, tf.repeat(best[:, :, tf.newaxis], tf.shape(index)[2], axis=2), place)

    def _of_attributes(self, users: Users, place: int) -> Nominations:
        value = users.inputs[features.USER_ATTRIBUTE_INDEX]
        index = tf.stack(
            [tf.gather(top, value[:, column]) for column, top in enumerate(self._attribute_top)],
            axis=1,
        )
        return _lists(index, tf.ones_like(index, tf.float32), place)

    def _of_fresh(self, users: Users, place: int) -> Nominations:
        """What the main family finds best among items with few interactions.

        Each user gets others, so that many of them get their chance.
        """
        score = tf.matmul(users.embeddings[0], self._fresh_vectors, transpose_b=True)
        best, position = tf.math.top_k(score, min(self._options.fresh, self._fresh.shape[0]))
        index = tf.gather(self._fresh, position)
        index = tf.where(users.cold[:, tf.newaxis], self._fresh[: tf.shape(index)[1]], index)
        return _in_turn(index, best, FRESH_STRIDE * (1.0 + _turns(index)), place)

    def _topped_up(self, merged: Merged, excluded: tf.Tensor, allows: Allows | None) -> Merged:
        """Fills what is missing with the most popular items that are left."""
        excluded = tf.concat([excluded, merged.index], axis=1)
        # What the configuration filters out comes last among the popular; what a request does may
        # be anywhere.
        number = self._size if allows is None else self._catalogue_size
        index, score = self.popular.top(excluded, tf.constant(number))
        allowed = self._allowed(allows)
        if allowed is not None:
            index = tf.where(allowed(index), index, 0)
        source = tf.where(index > 0, len(self.sources) - 1, NO_SOURCE)
        both = [
            tf.concat(pair, axis=1) for pair in zip(merged, (index, score, source), strict=True)
        ]
        order = tf.argsort(tf.cast(both[0] == 0, tf.int32), axis=1, stable=True)[:, : self._size]
        return Merged(*(tf.gather(column, order, axis=1, batch_dims=1) for column in both))

    def _fresh_items(
        self, counts: FloatArray, recommendable: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int32]:
        """Items with few interactions, in no order: int32 [at most MOST_FRESH]."""
        if not self._options.fresh:
            return np.zeros(0, np.int32)
        few = (counts <= self._options.fresh_interactions) & recommendable
        items = np.flatnonzero(few)
        return items[np.argsort(tie_order(len(counts))[items])][:MOST_FRESH].astype(np.int32)


def _first(index: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Returns the first items of each row [B, n], int32 [B] of them, and 0 for the others."""
    return tf.where(tf.range(tf.shape(index)[1]) < number[:, tf.newaxis], index, 0)


def _greatest(number: tf.Tensor) -> tf.Tensor:
    """Returns the greatest of numbers [B] above 0, int32 []; 1 where there are no rows."""
    return tf.reduce_max(tf.pad(number, [[0, 1]], constant_values=1))


def _turns(index: tf.Tensor) -> tf.Tensor:
    """Returns the turns of a list [..., n], one after the other: float32 [n]."""
    return tf.range(tf.cast(tf.shape(index)[-1], tf.float32))


def _in_turn(index: tf.Tensor, score: tf.Tensor, turn: tf.Tensor, place: int) -> Nominations:
    """Makes nominations of a list [B, n] whose turns, float32 [n], are those of every row."""
    return Nominations(index, score, tf.broadcast_to(turn, tf.shape(index)), tf.constant(place))


def _lists(index: tf.Tensor, score: tf.Tensor, place: int) -> Nominations:
    """Makes nominations of several lists, [B, L, n] each, that take turns."""
    shape = tf.stack([tf.shape(index)[0], tf.shape(index)[1] * tf.shape(index)[2]])
    turn = tf.tile(_turns(index), [tf.shape(index)[1]])
    return _in_turn(tf.reshape(index, shape), tf.reshape(score, shape), turn, place)
