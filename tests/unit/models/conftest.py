"""A planted answer: users and items of two tastes, and in-memory training data of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.interaction_table import InteractionTable

ITEMS, USERS, MAX_HISTORY = 24, 16, 6

Columns = dict[str, npt.NDArray[Any]]


@pytest.fixture(scope="session")
def table() -> ItemTable:
    """Items 1 to 24; all in category 0 but for 1 in 3, so that content says nothing of taste."""
    multi_hot = np.zeros([ITEMS + 1, 2], np.float32)
    multi_hot[1:, 0] = 1.0
    multi_hot[3::3, 1] = 1.0
    numeric = np.zeros([ITEMS + 1, 1], np.float32)
    return ItemTable(
        content=np.concatenate([multi_hot, numeric], axis=1),
        category_multi_hot=multi_hot,
        log_frequency=np.full([ITEMS + 1], np.log(1.0 / ITEMS), np.float32),
    )


@pytest.fixture(scope="session")
def interactions() -> Columns:
    """640 choices: user u takes items of the parity of u, and rates them 4 or 5."""
    random = np.random.default_rng(11)
    rows = 640
    user = random.integers(1, USERS + 1, rows)
    history = np.zeros([rows, MAX_HISTORY], np.int64)
    item = np.zeros(rows, np.int64)
    for row in range(rows):
        own = random.permutation(np.arange(1 + (user[row] + 1) % 2, ITEMS + 1, 2))
        item[row] = own[0]
        length = random.integers(1, MAX_HISTORY + 1)
        history[row, :length] = own[1 : 1 + length]
    return {
        features.USER_INDEX: user,
        features.USER_STATISTICS: np.zeros([rows, 2], np.float32),
        features.USER_CATEGORY_SHARE: np.full([rows, 2], 0.5, np.float32),
        features.USER_CATEGORY_RATING: np.zeros([rows, 2], np.float32),
        features.USER_ATTRIBUTE_INDEX: np.zeros([rows, 1], np.int64),
        features.HISTORY_INDEX: history,
        features.ITEM_INDEX: item,
        features.LABEL_RATING: (4.0 + user % 2).astype(np.float32),
    }


class InMemoryData:
    """What the trainings ask of transformed data, from memory."""

    def __init__(self, columns: Columns, table: ItemTable, users: int) -> None:
        # All that was seen is what the histories hold, unless the columns say more.
        self._columns = {features.SEEN_INDEX: columns[features.HISTORY_INDEX]} | columns
        self._table = table
        self._users = users

    def items(self) -> ItemTable:
        return self._table

    def users(self) -> int:
        return self._users

    def user_specs(self) -> dict[str, tf.TensorSpec]:
        specs = {
            name: tf.TensorSpec([None, *self._columns[name].shape[1:]], self._columns[name].dtype)
            for name in features.USER_FEATURES
        }
        return specs | {features.SEEN_INDEX: tf.TensorSpec([None, None], tf.int64)}

    def table(self) -> InteractionTable:
        names = (features.USER_INDEX, features.ITEM_INDEX, features.LABEL_RATING)
        user, item, rating = (self._columns[name] for name in names)
        _, first = np.unique(user * (self._table.size + 1) + item, return_index=True)
        return InteractionTable(
            user[first], item[first], rating[first], self._users, self._table.size
        )

    def interactions(self, batch_size: int, seed: int) -> tf.data.Dataset:
        rows = tf.data.Dataset.from_tensor_slices(self._columns)
        return rows.shuffle(1000, seed=seed).batch(batch_size, drop_remainder=True)

    def sample(self, most: int, seed: int) -> Columns:
        return {name: column[:most] for name, column in self._columns.items()}

    def held_out(self, most: int, seed: int) -> Columns:
        return self.sample(most, seed)


@pytest.fixture(scope="session")
def in_memory(table: ItemTable) -> Callable[..., InMemoryData]:
    """Makes data of transformed interactions; the items and users of this file if not told."""

    def make(columns: Columns, items: ItemTable = table, users: int = USERS) -> InMemoryData:
        return InMemoryData(columns, items, users)

    return make


@pytest.fixture(scope="session")
def user_inputs() -> Callable[[list[list[int]]], dict[str, tf.Tensor]]:
    """Makes transformed features of unknown users with the given histories."""

    def make(histories: list[list[int]]) -> dict[str, tf.Tensor]:
        padded = [(history + [0] * MAX_HISTORY)[:MAX_HISTORY] for history in histories]
        rows = len(histories)
        return {
            features.USER_INDEX: tf.zeros([rows], tf.int64),
            features.USER_STATISTICS: tf.zeros([rows, 2]),
            features.USER_CATEGORY_SHARE: tf.fill([rows, 2], 0.5),
            features.USER_CATEGORY_RATING: tf.zeros([rows, 2]),
            features.USER_ATTRIBUTE_INDEX: tf.zeros([rows, 1], tf.int64),
            features.HISTORY_INDEX: tf.constant(padded, tf.int64),
            features.SEEN_INDEX: tf.constant(padded, tf.int64),
        }

    return make
