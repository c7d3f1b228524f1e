"""The served signatures (docs/signatures.md) over one recommender."""

from collections.abc import Callable

import tensorflow as tf

from models import contract, features
from models.candidates.generators import Users
from models.item_store import ItemStore
from models.item_table import FloatArray
from models.membership import is_member
from models.options import ServingOptions
from models.query_parser import QueryParser
from models.recommender import DEFAULT_STRENGTH, ItemList, Recommender, Wishes, known_by
from models.strangers import StrangerProfiles
from models.user_store import UserStore

Tensors = dict[str, tf.Tensor]

_IDS = tf.TensorSpec([None], tf.string)
_LISTS = tf.TensorSpec([None, None], tf.string)
_STRENGTHS = tf.TensorSpec([None], tf.float32)
_K = tf.TensorSpec([], tf.int32, contract.K)
_FIRST = 10  # items of a list, whose distances the Evaluator reads
# What is known of a stranger, in two ways.
_HISTORY = (features.HISTORY_INDEX, features.SEEN_INDEX)
_CATEGORIES = (features.USER_CATEGORY_SHARE,)


class CatalogueCounts(tf.Module):
    """What the Evaluator's metrics need to know of the catalogue.

    Attributes:
        interactions: float32 [N+1], of each item in training.
        size: number of items.
        total: of interactions.
    """

    def __init__(self, interactions: FloatArray):
        super().__init__(name="catalogue_counts")
        self.interactions = tf.Variable(interactions, trainable=False)
        self.size = len(interactions) - 1
        self.total = float(interactions.sum())


class Servable(tf.Module):
    """Turns requests into the recommender's terms and its answers into the contract's."""

    def __init__(
        self,
        recommender: Recommender,
        users: UserStore,
        items: ItemStore,
        parser: QueryParser,
        strangers: StrangerProfiles,
        catalogue: CatalogueCounts,
        options: ServingOptions,
    ):
        super().__init__(name="servable")
        self._recommender = recommender
        self._users = users
        self._items = items
        self._parser = parser
        self._strangers = strangers
        self._catalogue = catalogue
        self._options = options

    def signatures(self) -> dict[str, Callable[..., Tensors]]:
        """Returns the signatures by name, to be saved with the module."""
        recommend = _signature(self.recommend, user_id=_IDS, k=_K)
        return {
            contract.SERVING_DEFAULT: recommend,
            contract.RECOMMEND: recommend,
            contract.RECOMMEND_WITH_CONTEXT: _signature(
                self.recommend_with_context,
                user_id=_IDS,
                k=_K,
                history_item_id=_LISTS,
                exclude_item_id=_LISTS,
                exclude_category=_LISTS,
                diversity=_STRENGTHS,
                freshness=_STRENGTHS,
            ),
            contract.RETRIEVE: _signature(self.retrieve, user_id=_IDS, k=_K),
            contract.RANK: _signature(self.rank, user_id=_IDS, item_id=_LISTS),
            contract.SIMILAR_ITEMS: _signature(self.similar_items, item_id=_IDS, k=_K),
            contract.EMBED_USERS: _signature(self.embed_users, user_id=_IDS),
            contract.EMBED_ITEMS: _signature(self.embed_items, item_id=_IDS),
            contract.DESCRIBE_ITEMS: _signature(self.describe_items, item_id=_IDS),
            contract.EVALUATE: _signature(self.evaluate, examples=_IDS),
        }

    def recommend(self, user_id: tf.Tensor, k: tf.Tensor) -> Tensors:
        """Recommends k items from what the store knows of each user."""
        k = self._checked_k(k)
        users, seen = self._stored(user_id)
        return self._listed(self._recommender.recommend(users, seen, k))

    def recommend_with_context(
        self,
        user_id: tf.Tensor,
        k: tf.Tensor,
        history_item_id: tf.Tensor,
        exclude_item_id: tf.Tensor,
        exclude_category: tf.Tensor,
        diversity: tf.Tensor,
        freshness: tf.Tensor,
    ) -> Tensors:
        """Recommends k items; the request's history comes before the stored one.

        Strengths are from 0 to 1, or -1 for the configured ones.
        """
        k = self._checked_k(k)
        lists = {
            contract.HISTORY_ITEM_ID: history_item_id,
            contract.EXCLUDE_ITEM_ID: exclude_item_id,
            contract.EXCLUDE_CATEGORY: exclude_category,
        }
        strengths = {contract.DIVERSITY: diversity, contract.FRESHNESS: freshness}
        checks = [
            *(_same_rows(user_id, name, value) for name, value in (lists | strengths).items()),
            *(self._short_enough(name, value) for name, value in lists.items()),
            *(_is_strength(name, value) for name, value in strengths.items()),
        ]
        with tf.control_dependencies(checks):
            row = self._rows(user_id)
        seen = self._users.seen(row)
        latest = self._items.index(history_item_id)
        # An item counts once, at the newest place it has.
        latest = tf.where(_is_repeated(latest), 0, latest)
        earlier = tf.where(is_member(seen, latest), 0, seen)
        history = _without_gaps(tf.concat([latest, earlier], axis=1))
        excluded = tf.concat([history, self._items.index(exclude_item_id)], axis=1)
        inputs = self._users.inputs(row, history)
        stranger = tf.reduce_all(seen == 0, axis=1)
        users = self._recommender.users(self._strangers.of(inputs, stranger))
        wishes = Wishes(exclude_category, diversity, freshness)
        return self._listed(self._recommender.recommend(users, excluded, k, wishes))

    def retrieve(self, user_id: tf.Tensor, k: tf.Tensor) -> Tensors:
        """Returns the first k candidates before ranking."""
        k = self._checked_k(k)
        found = self._recommender.retrieve(*self._stored(user_id))
        return self._listed(ItemList(*(column[:, :k] for column in found)))

    def rank(self, user_id: tf.Tensor, item_id: tf.Tensor) -> Tensors:
        """Scores the given items for each user; an unknown item gets the lowest score."""
        checks = [
            _same_rows(user_id, contract.ITEM_ID, item_id),
            self._short_enough(contract.ITEM_ID, item_id),
        ]
        with tf.control_dependencies(checks):
            users, seen = self._stored(user_id)
        relevance, rating = self._recommender.rank(users, seen, self._items.index(item_id))
        return {contract.SCORE: relevance, contract.PREDICTED_RATING: rating}

    def similar_items(self, item_id: tf.Tensor, k: tf.Tensor) -> Tensors:
        """Returns the k nearest items to each item; nothing for an unknown one."""
        index, score = self._recommender.similar(self._items.index(item_id), self._checked_k(k))
        return {contract.ITEM_ID: self._items.ids(index), contract.SCORE: score}

    def embed_users(self, user_id: tf.Tensor) -> Tensors:
        """Returns the users' vectors, of an unknown user the one without any history."""
        users, _ = self._stored(user_id)
        return {contract.EMBEDDING: users.embeddings[0]}

    def embed_items(self, item_id: tf.Tensor) -> Tensors:
        """Returns the items' vectors, zeros for an unknown item."""
        return {contract.EMBEDDING: self._recommender.embed_items(self._items.index(item_id))}

    def describe_items(self, item_id: tf.Tensor) -> Tensors:
        """Returns titles and categories, empty for an unknown item."""
        index = self._items.index(item_id)
        return {
            contract.TITLE: self._items.titles(index),
            contract.CATEGORY: self._items.category_names(index),
        }

    def evaluate(self, examples: tf.Tensor) -> Tensors:
        """Recommends from serialized query Examples, so from users as they were at the split."""
        query = self._parser.parse(examples)
        seen = self._items.index(query.seen_item_id)
        inputs = query.inputs | {features.SEEN_INDEX: tf.cast(seen, tf.int64)}
        users = self._recommender.users(inputs)
        chosen = self._items.index(query.chosen_item_id)
        k = tf.constant(contract.EVALUATED_LIST_LENGTH)
        recommended = self._recommender.recommend(users, seen, k).index
        interactions = self._catalogue.interactions
        return {
            contract.RECOMMENDED_ITEM_ID: self._items.ids(recommended),
            contract.POPULAR_ITEM_ID: self._items.ids(self._recommender.popular(seen, k)),
            contract.HISTORY_ONLY_ITEM_ID: self._as_stranger(inputs, seen, _HISTORY),
            contract.CATEGORIES_ONLY_ITEM_ID: self._as_stranger(inputs, seen, _CATEGORIES),
            contract.CHOSEN_PREDICTED_RATING: self._recommender.rating(users, chosen),
            contract.RECOMMENDED_INTERACTIONS: tf.gather(interactions, recommended),
            contract.CHOSEN_INTERACTIONS: tf.where(
                query.chosen_item_id == "", -1.0, tf.gather(interactions, chosen)
            ),
            contract.INTRA_LIST_DISTANCE: self._recommender.distance(recommended[:, :_FIRST]),
            contract.CATALOGUE_SIZE: tf.fill(
                tf.shape(examples), tf.constant(self._catalogue.size, tf.int64)
            ),
            contract.TOTAL_INTERACTIONS: tf.fill(
                tf.shape(examples), tf.constant(self._catalogue.total)
            ),
        }

    def _as_stranger(self, inputs: Tensors, seen: tf.Tensor, kept: tuple[str, ...]) -> tf.Tensor:
        """Returns what users would get of whom only some features are known, ids [B, 100]."""
        row = tf.zeros([1], tf.int64)
        nobody = self._users.inputs(row, self._users.seen(row))
        inputs = known_by(inputs, kept, nobody)
        inputs = self._strangers.of(inputs, tf.ones_like(inputs[features.USER_INDEX], tf.bool))
        users = self._recommender.users(inputs)
        k = tf.constant(contract.EVALUATED_LIST_LENGTH)
        return self._items.ids(self._recommender.recommend(users, seen, k).index)

    def _stored(self, user_id: tf.Tensor) -> tuple[Users, tf.Tensor]:
        row = self._rows(user_id)
        seen = self._users.seen(row)
        return self._recommender.users(self._users.inputs(row, seen)), seen

    def _rows(self, user_id: tf.Tensor) -> tf.Tensor:
        most = self._options.max_batch
        number = tf.shape(user_id)[0]
        message = f"user_id must have at most {most} rows. Received:"
        with tf.control_dependencies([tf.debugging.Assert(number <= most, [message, number])]):
            return self._users.rows(user_id)

    def _short_enough(self, name: str, value: tf.Tensor) -> tf.Operation:
        most = self._options.max_request_items
        number = tf.shape(value)[1]
        message = f"{name} must have at most {most} columns. Received:"
        return tf.debugging.Assert(number <= most, [message, number])

    def _checked_k(self, k: tf.Tensor) -> tf.Tensor:
        most = self._options.max_k
        message = f"k must be between 1 and {most}. Received:"
        with tf.control_dependencies([tf.debugging.Assert((k >= 1) & (k <= most), [message, k])]):
            return tf.identity(k)

    def _listed(self, found: ItemList) -> Tensors:
        return {
            contract.ITEM_ID: self._items.ids(found.index),
            contract.SCORE: found.score,
            contract.SOURCE: found.source,
        }


def _signature(method: Callable[..., Tensors], **specs: tf.TensorSpec) -> Callable[..., Tensors]:
    named = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()]
    return tf.function(method, input_signature=named).get_concrete_function()


def _is_strength(name: str, strength: tf.Tensor) -> tf.Operation:
    within = (strength >= 0.0) & (strength <= 1.0) | (strength == DEFAULT_STRENGTH)
    message = f"{name} must be between 0 and 1, or -1 for the configured default. Received:"
    return tf.debugging.Assert(tf.reduce_all(within), [message, strength])


def _same_rows(user_id: tf.Tensor, name: str, value: tf.Tensor) -> tf.Operation:
    rows, expected = tf.shape(value)[0], tf.shape(user_id)[0]
    message = [f"{name} must have as many rows as user_id,", expected, "Received:", rows]
    return tf.debugging.Assert(rows == expected, message)


def _is_repeated(index: tf.Tensor) -> tf.Tensor:
    """Tells which values stand in their row before: bool [B, N]."""
    place = tf.range(tf.shape(index)[1])
    earlier = place[:, tf.newaxis] > place[tf.newaxis, :]
    same = index[:, :, tf.newaxis] == index[:, tf.newaxis, :]
    return tf.reduce_any(same & earlier, axis=2)


def _without_gaps(index: tf.Tensor) -> tf.Tensor:
    """Moves the zeros of each row to its end, the rest keeps its order: int32 [B, N]."""
    order = tf.argsort(tf.cast(index == 0, tf.int32), axis=1, stable=True)
    return tf.gather(index, order, axis=1, batch_dims=1)
