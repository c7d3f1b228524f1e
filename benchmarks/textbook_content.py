"""The content network on a random split of the ratings, with features that leak and that do not.

The published result comes from features that know the answer: the means of users and items are
taken over all ratings, those of the test part among them, and an item of several genres gives a row
for each, so that most test rows have a twin with the same user, item and rating in the train part.
Here the same network learns from each kind of features.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy import sparse

from models.retrieval.content_features import PRIOR_RATINGS, Standardizer
from models.retrieval.content_network import ContentNetwork, Schedule, train

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1  # of the rest: chooses the epoch
BATCH = 256
SCHEDULE = Schedule(learning_rate=0.01, max_epochs=30, patience=30)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Ratings, and what items are.

    Attributes:
        user: int64 [n], from 0.
        item: int64 [n], from 0.
        rating: float32 [n].
        year: float32 [I], the mean where it is unknown.
        category: float32 [I, C], multi-hot.
        one_hot: int64 [n], the one category that a row is for; None where it is for all of them.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    rating: Floats
    year: Floats
    category: Floats
    one_hot: NDArray[np.int64] | None = None

    def taken(self, which: NDArray[np.int64]) -> "Rows":
        """Returns the rows at the places `which`."""
        one_hot = self.one_hot[which] if self.one_hot is not None else None
        taken = (self.user[which], self.item[which], self.rating[which])
        return Rows(*taken, self.year, self.category, one_hot)

    def most_rated(self, from_year: int, items: int) -> "Rows":
        """Returns the ratings of those items since a year that have the most of them.

        Args:
            from_year: of the items.
            items: how many, ties by index.
        """
        counts = np.bincount(self.item, minlength=len(self.year))
        counts[self.year < from_year] = 0
        most = np.argsort(-counts, kind="stable")[:items]
        return self.taken(np.flatnonzero(np.isin(self.item, most) & (counts[self.item] > 0)))

    def for_each_category(self) -> "Rows":
        """Returns a row for each category of each row's item; none for an item without any."""
        row, category = np.nonzero(self.category[self.item])
        taken = self.taken(row)
        return Rows(taken.user, taken.item, taken.rating, self.year, self.category, category)


@dataclass(frozen=True)
class Result:
    """Mean squared errors of the target scaled to [-1, 1], and what they were measured on."""

    train: float
    test: float
    train_rows: int
    test_rows: int


class Statistics:
    """Counts and means of users and items over some ratings."""

    def __init__(self, rows: Rows):
        """Counts.

        Args:
            rows: whose ratings are counted.
        """
        shape = (int(rows.user.max()) + 1, len(rows.year))
        places = (rows.user, rows.item)
        ratings = sparse.csr_matrix((rows.rating, places), shape=shape)
        ones = sparse.csr_matrix((np.ones_like(rows.rating), places), shape=shape)
        self._mean = float(rows.rating.mean())
        self._user = (_sums(ratings, 1), _sums(ones, 1))
        self._item = (_sums(ratings, 0), _sums(ones, 0))
        self._category = (ratings @ rows.category, ones @ rows.category)

    def features(self, rows: Rows, without_own: bool, published: bool) -> tuple[Floats, Floats]:
        """Returns features of the rows' users and items.

        Args:
            rows: described; their users must be among those counted.
            without_own: whether each row's own rating is taken out of the counts.
            published: whether as in the published features: plain means, 0 where there is none,
                and of users those by category alone.

        Returns:
            Users float32 [n, F] (count, mean and means by category; only the last if published)
            and items float32 [n, G] (year, mean, categories).
        """
        own = np.ones_like(rows.rating) if without_own else np.zeros_like(rows.rating)
        held = own[:, np.newaxis] * rows.category[rows.item]
        count = self._user[1][rows.user] - own
        weight = 0.0 if published else PRIOR_RATINGS
        user_mean = _mean(self._user[0][rows.user] - own * rows.rating, count, self._mean, weight)
        by_category = _mean(
            self._category[0][rows.user] - held * rows.rating[:, np.newaxis],
            self._category[1][rows.user] - held,
            user_mean[:, np.newaxis],
            weight,
        )
        item_mean = _mean(
            self._item[0][rows.item] - own * rows.rating,
            self._item[1][rows.item] - own,
            self._mean,
            weight,
        )
        category = rows.category[rows.item]
        if rows.one_hot is not None:
            category = np.eye(category.shape[1], dtype=np.float32)[rows.one_hot]
        of_user = [] if published else [count, user_mean]
        users = np.column_stack([*of_user, by_category])
        items = np.column_stack([rows.year[rows.item], item_mean, category])
        return users.astype(np.float32), items.astype(np.float32)


def _sums(matrix: sparse.csr_matrix, axis: int) -> Floats:
    return np.asarray(matrix.sum(axis=axis), np.float32).ravel()


def _mean(total: Floats, count: Floats, prior: float | Floats, weight: float) -> Floats:
    number = np.asarray(count + weight, np.float32)
    # A sum less a row's own may leave a trace of rounding where nothing remains.
    known = number > 0.5
    mean = (total + weight * prior) / np.where(known, number, 1.0)
    return np.where(known, mean, 0.0).astype(np.float32)


def honest(rows: Rows, rating_range: tuple[float, float], seed: int) -> Result:
    """Trains on features that know no test rating, nor a training row's own.

    Args:
        rows: one a rating.
        rating_range: lowest and highest rating.
        seed: of the split and the training.
    """
    rest, test = _split(len(rows.user), TEST_FRACTION, seed)
    known = rows.taken(rest)
    statistics = Statistics(known)
    return _measure(
        known,
        rows.taken(test),
        statistics.features(known, without_own=True, published=False),
        statistics.features(rows.taken(test), without_own=False, published=False),
        rating_range,
        seed,
    )


def leaky(rows: Rows, rating_range: tuple[float, float], seed: int, twins: bool) -> Result:
    """Trains on means over all ratings, those of the test part among them, as published.

    Args:
        rows: one a rating.
        rating_range: lowest and highest rating.
        seed: of the split and the training.
        twins: whether there is a row for each category of an item, split at random, as published.
    """
    statistics = Statistics(rows)
    if twins:
        rows = rows.for_each_category()
    users, items = statistics.features(rows, without_own=False, published=True)
    rest, test = _split(len(rows.user), TEST_FRACTION, seed)
    return _measure(
        rows.taken(rest),
        rows.taken(test),
        (users[rest], items[rest]),
        (users[test], items[test]),
        rating_range,
        seed,
    )


def _split(number: int, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.random.default_rng(seed).permutation(number)
    held = round(number * fraction)
    return np.sort(order[held:]), np.sort(order[:held])


def _measure(
    rest: Rows,
    test: Rows,
    rest_features: tuple[Floats, Floats],
    test_features: tuple[Floats, Floats],
    rating_range: tuple[float, float],
    seed: int,
) -> Result:
    tf.random.set_seed(seed)
    scale_users, scale_items = (Standardizer(columns) for columns in rest_features)
    low, high = rating_range

    def tensors(features: tuple[Floats, Floats], rows: Rows) -> tuple[tf.Tensor, ...]:
        target = 2.0 * (rows.rating - low) / (high - low) - 1.0
        return scale_users(features[0]), scale_items(features[1]), tf.constant(target)

    network = ContentNetwork(scale_users.width, scale_items.width)

    def error(data: tuple[tf.Tensor, ...]) -> float:
        return float(tf.reduce_mean(tf.square(network(data[0], data[1]) - data[2])))

    everything = tensors(rest_features, rest)
    learned, judged = _split(len(rest.user), VALIDATION_FRACTION, seed + 1)
    part = tuple(tf.gather(column, learned) for column in everything)
    validation = tuple(tf.gather(column, judged) for column in everything)
    batches = tf.data.Dataset.from_tensor_slices(part)
    batches = batches.shuffle(len(learned), seed=seed).batch(BATCH)
    train(network, batches, lambda: error(validation), SCHEDULE)
    return Result(error(part), error(tensors(test_features, test)), len(rest.user), len(test.user))
