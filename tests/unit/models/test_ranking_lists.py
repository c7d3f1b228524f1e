from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import features
from models.candidates.co_visitation import NeighbourTable
from models.candidates.generators import TABLE_SCORES, CandidateGenerators, Counted, Family
from models.candidates.item_neighbours import ItemNeighbours
from models.candidates.options import CandidateOptions
from models.index import BruteForceIndex
from models.item_table import ItemTable
from models.ranking_features import RankingFeatures
from models.ranking_lists import USERS_AT_ONCE, RankingLists, ranking_lists

ITEMS, SIZE = 6, 3
# Of the features, after three of each score and popularity: an item's mean rating, its number here.
RATING = 3 * (1 + len(TABLE_SCORES)) + 1


class LargeNumbers(tf.Module):
    """Everybody likes items with large numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = tf.Variable(1.0, trainable=False)

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.ones([tf.shape(inputs[features.HISTORY_INDEX])[0], 1])


@pytest.fixture(scope="module")
def generators() -> CandidateGenerators:
    numbers = np.arange(ITEMS + 1, dtype=np.float32)[:, np.newaxis]
    nothing = NeighbourTable.empty(ITEMS, 1)
    return CandidateGenerators(
        [Family(LargeNumbers(), BruteForceIndex(numbers[1:]), tf.Variable(numbers), "two_tower")],
        Counted(
            np.zeros(ITEMS + 1, np.float32),
            np.zeros([1, 1], np.int32),
            [],
            ItemNeighbours(nothing, "following"),
            ItemNeighbours(nothing, "nearby"),
        ),
        np.arange(ITEMS + 1) > 0,
        CandidateOptions(popular=0, fresh=0),
        SIZE,
    )


@pytest.fixture(scope="module")
def seen_by_ranker(generators: CandidateGenerators) -> RankingFeatures:
    content = np.zeros([ITEMS + 1, 1], np.float32)
    table = ItemTable(content, content, content[:, 0])
    return RankingFeatures(generators, table, np.arange(ITEMS + 1, dtype=np.float32))


def queries(rows: list[tuple[list[int], list[int], list[float]]]) -> dict[str, npt.NDArray[Any]]:
    """Users by what they have seen, what they then chose, and where it was shown."""

    def padded(values: list[list[Any]], dtype: Any) -> npt.NDArray[Any]:
        width = max(1, *map(len, values))
        return np.array([row + [0] * (width - len(row)) for row in values], dtype)

    seen, chosen, position = (list(column) for column in zip(*rows, strict=True))
    number = len(rows)
    return {
        features.USER_INDEX: np.arange(1, number + 1),
        features.USER_STATISTICS: np.zeros([number, 2], np.float32),
        features.USER_CATEGORY_SHARE: np.zeros([number, 1], np.float32),
        features.USER_CATEGORY_RATING: np.zeros([number, 1], np.float32),
        features.USER_ATTRIBUTE_INDEX: np.zeros([number, 1], np.int64),
        features.HISTORY_INDEX: padded(seen, np.int64),
        features.SEEN_INDEX: padded(seen, np.int64),
        features.CHOSEN_INDEX: padded(chosen, np.int64),
        features.CHOSEN_LABEL_RATING: np.ones([number, max(map(len, chosen))], np.float32),
        features.CHOSEN_LABEL_POSITION: padded(position, np.float32),
    }


def test_labels_are_what_users_then_chose_when_it_is_among_the_candidates(
    generators: CandidateGenerators, seen_by_ranker: RankingFeatures
) -> None:
    rows = [
        ([1], [6, 4], [0.0, 0.0]),  # candidates 6, 5, 4
        ([6, 4], [1, 3, 2], [7.0, 2.0, 9.0]),  # 5, 3, 2
        ([1, 2, 3, 4], [5, 0], [3.0, 0.0]),  # 6, 5 and no more
    ]
    lists = ranking_lists(queries(rows), generators, seen_by_ranker)
    assert lists.chosen.tolist() == [[True, False, True], [False, True, True], [False, True, False]]
    # Item 1 is no candidate; an item that nobody knows was not missed.
    assert lists.missed.tolist() == [0.0, 1.0, 0.0]
    assert lists.position.tolist() == [[0, 0, 0], [0, 2, 9], [0, 3, 0]]
    assert lists.there.tolist() == [[True] * 3, [True] * 3, [True, True, False]]
    # 5 of 6.
    assert lists.recall == pytest.approx(5 / 6)
    assert lists.features.dtype == np.float16
    numbers = lists.features[:, :, RATING]
    assert numbers.tolist() == [[6, 5, 4], [5, 3, 2], [6, 5, 0]]


def test_lists_are_those_of_each_user_when_there_are_many(
    generators: CandidateGenerators, seen_by_ranker: RankingFeatures
) -> None:
    # One more than are retrieved for at once; each lacks another item.
    number = USERS_AT_ONCE + 1
    rows: list[Any] = [([1 + user % ITEMS], [2], [0.0]) for user in range(number)]
    lists = ranking_lists(queries(rows), generators, seen_by_ranker)
    assert len(lists.missed) == number
    best = [6 if row[0][0] != 6 else 5 for row in rows]
    assert lists.features[:, 0, RATING].tolist() == best


@pytest.fixture
def made() -> RankingLists:
    """Three lists of three; the second user chose nothing of theirs."""
    return RankingLists(
        features=np.arange(9, dtype=np.float16).reshape(3, 3, 1),
        there=np.ones([3, 3], np.bool_),
        chosen=np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], np.bool_),
        position=np.array([[4, 0, 2], [0, 0, 0], [1, 1.2, 0]], np.float32),
        missed=np.array([0, 2, 1], np.float32),
    )


def test_choices_at_one_position_are_compared_together_when_positions_are_known(
    made: RankingLists,
) -> None:
    # By list, then by position, in whole places; the second list has nothing to compare.
    assert made.comparisons().tolist() == [[0, 2], [0, 4], [2, 0], [2, 1]]


def test_recall_counts_the_missed_when_some_chose_nothing_of_theirs(made: RankingLists) -> None:
    # 2 + 3 are found, 2 + 1 are not.
    assert made.recall == pytest.approx(5 / 8)


def test_recall_is_nothing_when_nobody_chose(made: RankingLists) -> None:
    nobody = replace(made, chosen=np.zeros_like(made.chosen), missed=np.zeros_like(made.missed))
    assert nobody.recall == 0.0
    assert nobody.comparisons().shape == (0, 2)
