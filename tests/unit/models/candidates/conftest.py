"""Generators over twelve items with planted scores, counts and lists."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import features
from models.candidates.co_visitation import NeighbourTable
from models.candidates.generators import CandidateGenerators, Counted, Family, Users
from models.candidates.item_neighbours import ItemNeighbours
from models.candidates.merge import Merged
from models.candidates.options import CandidateOptions
from models.index import BruteForceIndex, PartialIndex

ITEMS = 12
# By popularity: 1 to 8 in their order, then 9 to 12, who are fresh.
COUNTS = np.array([0, 50, 40, 30, 20, 19, 18, 17, 16, 2, 1, 0, 0], np.float32)
CATEGORY_TOP = np.array([[4, 5], [6, 7], [8, 0]], np.int32)
# Of a first attribute with values 1 and 2, and of a second with value 1.
ATTRIBUTE_TOP = [np.array([[0, 0], [3, 8], [7, 0]], np.int32), np.array([[0, 0], [2, 5]], np.int32)]
FOLLOWING = {1: {8: 3.0, 6: 1.0}, 2: {8: 2.0, 7: 1.0}}
NEARBY = {1: {2: 1.0}, 2: {1: 1.0}}
NOTHING: dict[str, Any] = dict.fromkeys(
    ("history", "neighbours", "categories", "of_category", "popular", "of_attribute", "fresh"), 0
)
EVERYTHING: dict[str, Any] = {
    "nearest": 2,
    "history": 2,
    "neighbours": 2,
    "categories": 2,
    "of_category": 2,
    "popular": 3,
    "of_attribute": 2,
    "fresh": 2,
}


class Scores(tf.Module):
    """Scores of a user are a row of a table, chosen by the item that they took last."""

    def __init__(self, scores: npt.NDArray[np.float32], temperature: float) -> None:
        super().__init__()
        self._scores = tf.constant(scores)
        self.temperature = tf.Variable(temperature, trainable=False)

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.gather(self._scores, inputs[features.HISTORY_INDEX][:, 0])


def near_scores() -> npt.NDArray[np.float32]:
    """Likes the item taken last most, then the next number, the one before, and so on outwards."""
    last, item = np.indices([ITEMS + 1, ITEMS + 1])
    return (100 - 2 * np.abs(item - last) - (item < last)).astype(np.float32)


def large_scores() -> npt.NDArray[np.float32]:
    """Likes items with large numbers, whoever asks."""
    return np.tile(np.arange(ITEMS + 1, dtype=np.float32), [ITEMS + 1, 1])


def neighbours(items: int, weights: dict[int, dict[int, float]], name: str) -> ItemNeighbours:
    """The weights of each item's neighbours, in their order."""
    table = NeighbourTable.empty(items, max([1, *(len(row) for row in weights.values())]))
    for item, row in weights.items():
        table.index[item, : len(row)] = list(row)
        table.weight[item, : len(row)] = list(row.values())
    return ItemNeighbours(table, name)


@pytest.fixture(scope="session")
def neighbours_of() -> Callable[[int, dict[int, dict[int, float]], str], ItemNeighbours]:
    return neighbours


def make(
    size: int,
    passes: list[int] | None = None,
    counts: npt.NDArray[np.float32] = COUNTS,
    **options: Any,
) -> CandidateGenerators:
    """Joins generators of which only the main one nominates, but for what the options say."""
    recommendable = np.isin(np.arange(ITEMS + 1), passes or range(1, ITEMS + 1))
    items = np.flatnonzero(recommendable).astype(np.int32)
    vectors = np.eye(ITEMS + 1, dtype=np.float32)
    vectors[0] = 0.0
    families = [
        Family(
            Scores(scores, temperature),
            PartialIndex(BruteForceIndex(vectors[items]), items),
            tf.Variable(vectors),
            kind,
        )
        for kind, scores, temperature in (
            ("two_tower", near_scores(), 0.5),
            ("ease", large_scores(), 1.0),
        )
    ]
    counted = Counted(
        counts=counts,
        category_top=CATEGORY_TOP,
        attribute_top=ATTRIBUTE_TOP,
        following=neighbours(ITEMS, FOLLOWING, "following"),
        nearby=neighbours(ITEMS, NEARBY, "nearby"),
    )
    own = NOTHING | options
    chosen = CandidateOptions.model_validate({"nearest": 1, **own})
    beside = "nearest" in options
    return CandidateGenerators(
        families if beside else families[:1], counted, recommendable, chosen, size
    )


def users_of(
    generators: CandidateGenerators,
    histories: list[list[int]],
    share: list[list[float]] | None = None,
    attributes: list[list[int]] | None = None,
) -> Users:
    rows = len(histories)
    width = max(map(len, histories), default=0) or 1
    padded = np.array([row + [0] * (width - len(row)) for row in histories], np.int64)
    padded = padded.reshape(rows, width)
    return generators.users(
        {
            features.HISTORY_INDEX: tf.constant(padded),
            features.SEEN_INDEX: tf.constant(padded),
            features.USER_CATEGORY_SHARE: tf.constant(
                share or [0.0] * 3 * rows, tf.float32, [rows, 3]
            ),
            features.USER_ATTRIBUTE_INDEX: tf.constant(
                attributes or [0] * 2 * rows, tf.int64, [rows, 2]
            ),
        }
    )


def listed(generators: CandidateGenerators, found: Merged, row: int = 0) -> list[tuple[int, str]]:
    """Items of a row and who nominated them; padding is left out."""
    index, source = found.index[row].numpy().tolist(), found.source[row].numpy().tolist()
    pairs = zip(index, source, strict=True)
    return [(item, generators.sources[number]) for item, number in pairs if item]


def retrieved(
    generators: CandidateGenerators, history: list[int], excluded: list[int], **of_user: Any
) -> list[tuple[int, str]]:
    users = users_of(generators, [history], **{name: [row] for name, row in of_user.items()})
    return listed(generators, generators.retrieve(users, tf.constant([excluded], tf.int32)))


@pytest.fixture(scope="session")
def planted() -> SimpleNamespace:
    """The planted world, and what asks it."""
    return SimpleNamespace(
        ITEMS=ITEMS,
        COUNTS=COUNTS,
        EVERYTHING=EVERYTHING,
        make=make,
        users_of=users_of,
        listed=listed,
        retrieved=retrieved,
    )
