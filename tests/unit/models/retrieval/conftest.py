"""Two groups of users and items with a planted answer, and every family fitted on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.model import FitContext, RetrievalModel, Tensors
from models.retrieval.options import retrieval_options
from models.training import seed_everything

GROUPS, SIZE = 2, 8  # groups, and users and chosen items of each
USERS = CHOSEN = GROUPS * SIZE
ITEMS = CHOSEN + GROUPS  # the last are chosen by nobody, one of each group
# By item index; the unknown item is of no group.
ITEM_GROUP = np.array([-1, *np.repeat(range(GROUPS), SIZE), *range(GROUPS)])
POPULAR = 4  # items of a group that all of its users have chosen; the others lack users
LACK_MORE = 2  # users of a group who lack two items of it and not one
SHORT_HISTORY_USER, SHORT_HISTORY = 3, 3  # the user's index, and what the history keeps of them
LOW_RATED = 2  # items of the other group that a user has rated, where feedback is explicit
HIGH, LOW = 5.0, 1.0
SEED = 5

Columns = dict[str, npt.NDArray[Any]]
Histories = list[list[tuple[int, float]]]


@dataclass(frozen=True)
class Planted:
    """Users of two groups: each has chosen all items of their own group but one or two.

    Of the items that a user lacks, the other group's are the more popular.

    Attributes:
        data: what a family is fitted on.
        users: transformed features of users 1 to U, of all that they have chosen; the history of
            SHORT_HISTORY_USER keeps but some of it.
        answers: by user, the items of their own group that they lack, but for what nobody chose.
        item_group: int64 [N+1], by item index; -1 for the unknown item.
        cold: int64 [groups], items that nobody has chosen, by group.
        explicit: whether feedback is ratings.
    """

    data: Any
    users: Tensors
    answers: list[set[int]]
    item_group: npt.NDArray[np.int64]
    cold: npt.NDArray[np.int64]
    explicit: bool

    def newcomer(self, group: int) -> tuple[list[int], list[float], set[int]]:
        """Items and ratings of a user whom the training does not know, and what they lack."""
        own, other = (_items_of(each) for each in (group, 1 - group))
        low = other[:LOW_RATED] if self.explicit else []
        return own[2:] + low, [HIGH] * (SIZE - 2) + [LOW] * len(low), set(own[:2])

    def new_item(self, group: int) -> tuple[list[int], list[float]]:
        """Users and ratings of an item that the training does not know."""
        own, other = (
            [1 + each * SIZE + number for number in range(SIZE)] for each in (group, 1 - group)
        )
        low = other[:LOW_RATED] if self.explicit else []
        return own[2:] + low, [HIGH] * (SIZE - 2) + [LOW] * len(low)


@dataclass(frozen=True)
class Fitted:
    """A fitted model and what it was fitted on."""

    model: RetrievalModel
    planted: Planted


@pytest.fixture(scope="session")
def plant(in_memory: Callable[..., Any]) -> Callable[[bool], Planted]:
    """Makes the users; with explicit feedback they have also rated items of the other group low."""

    def make(explicit: bool) -> Planted:
        histories = [_history(user, explicit) for user in range(USERS)]
        answers = [set(_lacking(user)) for user in range(USERS)]
        rows = [(user, place) for user, own in enumerate(histories) for place in range(len(own))]
        before = [
            [choice for other, choice in enumerate(histories[user]) if other != place]
            for user, place in rows
        ]
        chosen = [histories[user][place] for user, place in rows]
        columns = _features([user + 1 for user, _ in rows], before, explicit)
        columns[features.ITEM_INDEX] = np.array([item for item, _ in chosen])
        columns[features.LABEL_RATING] = np.array([rating for _, rating in chosen], np.float32)
        users = _features(range(1, USERS + 1), histories, explicit)
        tensors = {name: tf.constant(column) for name, column in users.items()}
        data = in_memory(columns, _catalogue(columns[features.ITEM_INDEX]), USERS)
        cold = np.arange(CHOSEN + 1, ITEMS + 1)
        return Planted(data, tensors, answers, ITEM_GROUP, cold, explicit)

    return make


def _items_of(group: int) -> list[int]:
    """The group's items that somebody has chosen."""
    return [1 + group * SIZE + place for place in range(SIZE)]


def _lacking(user: int) -> list[int]:
    """Items of the user's group that they have not chosen, none of the popular ones."""
    group, number = divmod(user, SIZE)
    rest = _items_of(group)[POPULAR:]
    return [rest[(number + step) % len(rest)] for step in range(1 + (number < LACK_MORE))]


def _history(user: int, explicit: bool) -> list[tuple[int, float]]:
    """The user's items and ratings in an order of their own, newest first."""
    group, number = divmod(user, SIZE)
    own = [(item, HIGH) for item in _items_of(group) if item not in _lacking(user)]
    other = _items_of(1 - group)
    low = [(other[(number + step) % SIZE], LOW) for step in range(1, LOW_RATED + 1)]
    choices = [*own, *low] if explicit else [(item, 1.0) for item, _ in own]
    order = np.random.default_rng(user).permutation(len(choices))
    return [choices[place] for place in order]


def _features(users: Any, histories: Histories, explicit: bool) -> Columns:
    """Transformed features of users with histories, as the transform graph would make them."""
    rows = len(histories)
    share = np.zeros([rows, GROUPS], np.float32)
    rating = np.zeros([rows, GROUPS], np.float32)
    seen = np.zeros([rows, SIZE + LOW_RATED], np.int64)
    history = np.zeros_like(seen)
    for row, (user, choices) in enumerate(zip(users, histories, strict=True)):
        seen[row, : len(choices)] = [item for item, _ in choices]
        kept = SHORT_HISTORY if user == SHORT_HISTORY_USER else len(choices)
        history[row, :kept] = seen[row, :kept]
        mean = np.mean([value for _, value in choices])
        for group in range(GROUPS):
            own = [value for item, value in choices if ITEM_GROUP[item] == group]
            share[row, group] = len(own) / len(choices)
            if explicit and own:
                rating[row, group] = np.mean(own) - mean
    return {
        features.USER_INDEX: np.array(users, np.int64),
        features.USER_STATISTICS: np.zeros([rows, 2], np.float32),
        features.USER_CATEGORY_SHARE: share,
        features.USER_CATEGORY_RATING: rating,
        features.USER_ATTRIBUTE_INDEX: np.zeros([rows, 1], np.int64),
        features.HISTORY_INDEX: history,
        features.SEEN_INDEX: seen,
    }


def _catalogue(chosen: npt.NDArray[np.int64]) -> ItemTable:
    """Items whose category is their group, and whose frequency is that of being chosen."""
    category = np.zeros([ITEMS + 1, GROUPS], np.float32)
    category[np.arange(1, ITEMS + 1), ITEM_GROUP[1:]] = 1.0
    numeric = np.zeros([ITEMS + 1, 1], np.float32)
    # As the transform graph counts: one more for each item, so that none has a frequency of 0.
    counts = np.bincount(chosen, minlength=ITEMS + 1) + 1.0
    log_frequency = np.log(counts / counts[1:].sum()).astype(np.float32)
    return ItemTable(np.concatenate([category, numeric], axis=1), category, log_frequency)


@pytest.fixture(scope="session")
def fit_planted(
    plant: Callable[[bool], Planted], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any], bool], Fitted]:
    """Fits a family on the planted users."""
    # It imports every family: tests of one alone need not wait for the others.
    from models.retrieval.registry import fit_retrieval

    def fit(options: dict[str, Any], explicit: bool) -> Fitted:
        planted = plant(explicit)
        logs = str(tmp_path_factory.mktemp("logs"))
        context = FitContext(SEED, (LOW, HIGH) if explicit else None, logs)
        seed_everything(SEED)
        return Fitted(fit_retrieval(planted.data, retrieval_options(options), context), planted)

    return fit
