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

GROUPS, SIZE = 2, 8  # groups, and users and items of each
USERS = ITEMS = GROUPS * SIZE
LOW_RATED = 2  # items of the other group that a user has rated, where feedback is explicit
HIGH, LOW = 5.0, 1.0
SEED = 5

Columns = dict[str, npt.NDArray[Any]]
Histories = list[list[tuple[int, float]]]


@dataclass(frozen=True)
class Planted:
    """Users of two groups: each has chosen all items of their own group but one.

    Attributes:
        data: what a family is fitted on.
        users: transformed features of users 1 to U, of all that they have chosen.
        answer: int64 [U], the one item of their own group that they have not.
    """

    data: Any
    users: Tensors
    answer: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """A fitted model and what it was fitted on."""

    model: RetrievalModel
    planted: Planted


@pytest.fixture(scope="session")
def plant(in_memory: Callable[..., Any]) -> Callable[[bool], Planted]:
    """Makes the users; with explicit feedback they have also rated items of the other group low."""

    def make(explicit: bool) -> Planted:
        answer = np.arange(1, ITEMS + 1)  # user u of a group lacks item u of it
        histories = [_history(user, explicit) for user in range(USERS)]
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
        users[features.SEEN_INDEX] = users[features.HISTORY_INDEX]
        tensors = {name: tf.constant(column) for name, column in users.items()}
        return Planted(in_memory(columns, _catalogue(), USERS), tensors, answer)

    return make


def _history(user: int, explicit: bool) -> list[tuple[int, float]]:
    """The user's items and ratings in an order of their own, newest first."""
    group, number = divmod(user, SIZE)
    own = [(1 + group * SIZE + item, HIGH) for item in range(SIZE) if item != number]
    other = (1 - group) * SIZE
    low = [(1 + other + (number + step) % SIZE, LOW) for step in range(1, LOW_RATED + 1)]
    choices = [*own, *low] if explicit else [(item, 1.0) for item, _ in own]
    order = np.random.default_rng(user).permutation(len(choices))
    return [choices[place] for place in order]


def _features(users: Any, histories: Histories, explicit: bool) -> Columns:
    """Transformed features of users with histories, as the transform graph would make them."""
    rows = len(histories)
    share = np.zeros([rows, GROUPS], np.float32)
    rating = np.zeros([rows, GROUPS], np.float32)
    history = np.zeros([rows, SIZE + LOW_RATED], np.int64)
    for row, choices in enumerate(histories):
        history[row, : len(choices)] = [item for item, _ in choices]
        mean = np.mean([value for _, value in choices])
        for group in range(GROUPS):
            own = [value for item, value in choices if (item - 1) // SIZE == group]
            share[row, group] = len(own) / len(choices)
            if explicit and own:
                rating[row, group] = np.mean(own) - mean
    return {
        features.USER_INDEX: np.array(users, np.int64),
        features.USER_STATISTICS: np.zeros([rows, 2], np.float32),
        features.USER_CATEGORY_SHARE: share,
        features.USER_CATEGORY_RATING: rating,
        features.HISTORY_INDEX: history,
    }


def _catalogue() -> ItemTable:
    """Items whose category is their group."""
    category = np.zeros([ITEMS + 1, GROUPS], np.float32)
    category[np.arange(1, ITEMS + 1), np.arange(ITEMS) // SIZE] = 1.0
    numeric = np.zeros([ITEMS + 1, 1], np.float32)
    log_frequency = np.full([ITEMS + 1], np.log(1.0 / ITEMS), np.float32)
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
