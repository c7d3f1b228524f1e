"""Features of candidates over six items with planted scores of one family."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import features
from models.candidates.co_visitation import NeighbourTable
from models.candidates.generators import (
    TABLE_SCORES,
    CandidateGenerators,
    Counted,
    Family,
    Users,
)
from models.candidates.item_neighbours import ItemNeighbours
from models.candidates.options import CandidateOptions
from models.index import BruteForceIndex
from models.item_table import ItemTable
from models.ranking_features import HALF_PLACE, MOST_DEVIATIONS, RankingFeatures

ITEMS, DIMENSION = 6, 3
Floats = npt.NDArray[np.float32]

# Vectors of items 1 to 6, and of the only user, who likes the first axis.
VECTORS = np.array(
    [[0, 0, 0], [4, 0, 0], [2, 0, 0], [2, 2, 0], [0, 3, 0], [0, 0, 1], [-2, 0, 0]], np.float32
)
LIKES = np.array([1, 0, 0], np.float32)
CATEGORIES = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [1, 0], [1, 0]], np.float32)
NUMERIC = np.array([[0], [0.5], [-0.5], [0.25], [0], [0], [0]], np.float32)
MEAN_RATING = np.array([0, 3, 4, 5, 3, 3, 3], np.float32)
COUNTS = np.array([0, 9, 4, 1, 0, 0, 0], np.float32)
# Places of the features: three of each score, of which the first is the family's, then single ones.
SCORES = 1 + len(TABLE_SCORES)
DEVIATION, LOG_PLACE, HALF = (slice(i * SCORES, (i + 1) * SCORES) for i in range(3))
POPULARITY, RATING, NUMBER, OWN_NUMERIC, SHARE, LIKING, LARGEST, MEAN = range(
    3 * SCORES, 3 * SCORES + 8
)
STATISTICS = slice(MEAN + 1, MEAN + 3)


class Fixed(tf.Module):
    """Everybody is the same vector."""

    def __init__(self, user: Floats) -> None:
        super().__init__()
        self._user = tf.constant(user)
        self.temperature = tf.Variable(2.0, trainable=False)

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        rows = tf.shape(inputs[features.HISTORY_INDEX])[0]
        return tf.repeat(self._user[tf.newaxis, :], rows, axis=0)


class World:
    """Generators and features over them, of vectors that may be turned."""

    def __init__(self, turned: Floats | None = None) -> None:
        turn = np.eye(DIMENSION, dtype=np.float32) if turned is None else turned
        vectors = VECTORS @ turn
        empty = NeighbourTable.empty(ITEMS, 1)
        self.generators = CandidateGenerators(
            [
                Family(
                    Fixed(LIKES @ turn),
                    BruteForceIndex(vectors[1:]),
                    tf.Variable(vectors),
                    "two_tower",
                )
            ],
            Counted(
                COUNTS,
                np.zeros([2, 1], np.int32),
                [],
                ItemNeighbours(empty, "following"),
                ItemNeighbours(empty, "nearby"),
            ),
            np.arange(ITEMS + 1) > 0,
            CandidateOptions(),
            ITEMS,
        )
        table = ItemTable(
            np.concatenate([CATEGORIES, NUMERIC], axis=1),
            CATEGORIES,
            np.zeros(ITEMS + 1, np.float32),
        )
        self.features = RankingFeatures(self.generators, table, MEAN_RATING)

    def users(self, seen: Sequence[Sequence[int]] = ((),)) -> Users:
        rows = len(seen)
        width = max(map(len, seen)) or 1
        history = tf.constant([[*row, *[0] * (width - len(row))] for row in seen], tf.int64)
        return self.generators.users(
            {
                features.HISTORY_INDEX: history,
                features.SEEN_INDEX: history,
                features.USER_STATISTICS: tf.constant([[0.5, -1.0]] * rows),
                features.USER_CATEGORY_SHARE: tf.constant([[0.75, 0.25]] * rows),
                features.USER_CATEGORY_RATING: tf.constant([[1.0, -0.5]] * rows),
            }
        )

    def of(self, users: Users, candidates: list[list[int]], items: list[list[int]]) -> Any:
        context = self.features.context(users, tf.constant(candidates))
        return self.features.of(users, tf.constant(items), context).numpy()


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_scores_are_seen_against_the_candidates_when_worked_out(world: World) -> None:
    found = world.of(world.users(), [[1, 2, 4, 6]], [[1, 2, 4, 6, 5]])[0]
    # Dot products 4, 2, 0 and -2 over the temperature 2 are 2, 1, 0 and -1: mean 0.5, standard
    # deviation sqrt((1.5^2 + 0.5^2 + 0.5^2 + 1.5^2) / 4) = sqrt(1.25). Item 5's is 0.
    expected = np.array([1.5, 0.5, -0.5, -1.5, -0.5]) / np.sqrt(1.25)
    np.testing.assert_allclose(found[:, DEVIATION][:, 0], expected, rtol=1e-5)
    # Candidates with a greater score: 0, 1, 2 and 3; of item 5, which ties with item 4, 2.
    places = np.array([0, 1, 2, 3, 2])
    np.testing.assert_allclose(found[:, LOG_PLACE][:, 0], np.log1p(places), rtol=1e-6)
    halves = HALF_PLACE / (HALF_PLACE + places)
    np.testing.assert_allclose(found[:, HALF][:, 0], halves, rtol=1e-6)


def test_a_score_says_nothing_when_it_is_the_same_for_all(world: World) -> None:
    found = world.of(world.users(), [[1, 2, 3]], [[1, 2, 3]])[0]
    # Nothing is had together, so all scores but the family's and popularity are 0, and nobody has
    # a greater one.
    for column in range(1, SCORES - 1):
        assert found[:, DEVIATION][:, column].tolist() == [0.0] * 3
        assert found[:, LOG_PLACE][:, column].tolist() == [0.0] * 3
        assert found[:, HALF][:, column].tolist() == [1.0] * 3


def test_padding_is_left_out_when_lists_are_short(world: World) -> None:
    users = world.users()
    padded = world.of(users, [[0, 1, 0, 6, 4, 0]], [[1, 4, 6]])
    np.testing.assert_allclose(padded, world.of(users, [[6, 4, 1]], [[1, 4, 6]]), rtol=1e-6)
    nobody = world.of(users, [[0, 0]], [[1, 0]])
    assert np.isfinite(nobody).all()
    # Nothing to compare with: scores as they are, and the first place.
    assert nobody[0, 0, 0] == 2.0
    assert nobody[0, 0, LOG_PLACE].tolist() == [0.0] * SCORES


def test_scores_far_from_the_mean_are_cut_when_an_outsider_is_scored(world: World) -> None:
    # Scores 0 and 1 of the candidates, so 0.5 around 0.5; item 1's is 2: 3 deviations. With
    # candidates 4 and 5 at 0 alone the spread is 1, so twice that stays.
    found = world.of(world.users(), [[4, 2]], [[1]])
    assert found[0, 0, 0] == pytest.approx(3.0)
    tripled = World(3.0 * np.eye(DIMENSION, dtype=np.float32))
    found = tripled.of(tripled.users(), [[4, 5]], [[1, 6]])
    # 9 times as long: 18 and -9.
    assert found[0, :, 0].tolist() == [MOST_DEVIATIONS, -MOST_DEVIATIONS]


def test_items_and_users_speak_for_themselves_when_listed(world: World) -> None:
    found = world.of(world.users(), [[1, 2, 3, 4]], [[1, 2, 4]])[0]
    # One more than counted of 14 + 6.
    np.testing.assert_allclose(found[:, POPULARITY], np.log([10 / 20, 5 / 20, 1 / 20]), rtol=1e-6)
    assert found[:, RATING].tolist() == [3.0, 4.0, 3.0]
    np.testing.assert_allclose(found[:, NUMBER], np.log([2.0, 3.0, 1.0]), rtol=1e-6)
    assert found[:, OWN_NUMERIC].tolist() == [0.5, -0.5, 0.0]
    assert found[:, STATISTICS].tolist() == [[0.5, -1.0]] * 3
    # Means over the item's categories: the first, both, none.
    assert found[:, SHARE].tolist() == [0.75, 0.5, 0.0]
    assert found[:, LIKING].tolist() == [1.0, 0.25, 0.0]
    assert found.shape == (3, MEAN + 3)


def test_recent_items_are_compared_by_angle_when_there_is_a_history(world: World) -> None:
    users = world.users([[1, 4, 0], [0, 0, 0]])
    found = world.of(users, [[2, 3], [2, 3]], [[3, 6], [3, 6]])
    # Item 3 lies between both axes, item 6 opposite to item 1; nothing is less than not alike.
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found[0, :, LARGEST], [half, 0.0], atol=1e-6)
    np.testing.assert_allclose(found[0, :, MEAN], [half, -0.5], atol=1e-6)
    assert found[1, :, LARGEST].tolist() == found[1, :, MEAN].tolist() == [0.0, 0.0]


def test_only_the_newest_items_are_compared_when_the_history_is_long(world: World) -> None:
    # Item 1 ten times, then item 4, which item 4 itself is alike to.
    found = world.of(world.users([[1] * 10 + [4]]), [[4]], [[4]])
    assert found[0, 0, [LARGEST, MEAN]].tolist() == [0.0, 0.0]


lists = st.lists(st.integers(0, ITEMS), min_size=4, max_size=4)


@settings(deadline=None, max_examples=40)
@given(candidates=lists, items=lists, seen=st.lists(st.integers(1, ITEMS), max_size=4))
def test_features_stay_when_another_model_has_other_coordinates(
    world: World, turned: World, candidates: list[int], items: list[int], seen: list[int]
) -> None:
    found = [each.of(each.users([seen]), [candidates], [items]) for each in (world, turned)]
    np.testing.assert_allclose(*found, atol=1e-5)


@pytest.fixture(scope="module")
def turned() -> World:
    """Axes in another order, one of them the other way round: exact in floating point."""
    return World(np.array([[0, -1, 0], [0, 0, 1], [1, 0, 0]], np.float32))


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(lists, lists), min_size=2, max_size=4))
def test_features_are_as_if_alone_when_users_share_a_batch(
    world: World, rows: list[tuple[list[int], list[int]]]
) -> None:
    users = world.users([[3, 1]] * len(rows))
    found = world.of(users, [own for own, _ in rows], [items for _, items in rows])
    for number, (candidates, items) in enumerate(rows):
        alone = world.of(world.users([[3, 1]]), [candidates], [items])
        np.testing.assert_allclose(found[number], alone[0], atol=1e-6)


def test_candidates_have_the_features_of_any_items_when_their_scores_are_known(
    world: World,
) -> None:
    users, candidates = world.users([[3, 5], [2]]), [[1, 4, 6, 0], [6, 1, 5, 4]]
    context = world.features.context(users, tf.constant(candidates))
    made = world.features.of_candidates(users, tf.constant(candidates), context).numpy()
    np.testing.assert_allclose(made, world.of(users, candidates, candidates), rtol=1e-6)
