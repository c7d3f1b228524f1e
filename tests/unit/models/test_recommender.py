"""Lists of a recommender over planted scores, held to the rules by random requests."""

from typing import Any

import numpy as np
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
from models.item_facts import ItemFacts
from models.item_store import CatalogueItem, ItemStore
from models.item_table import ItemTable
from models.options import RerankingOptions
from models.ranking_features import RankingFeatures
from models.recommender import UNRANKED_SCORE, ItemList, Recommender, Wishes, known_by
from models.related import RelatedItems
from models.reranking.reranker import Reranker

SIZE = 12
CANDIDATES = 8
HISTORY = 3
CATEGORIES = [(), (b"a",), (b"b",), (b"a", b"b")]  # item i has number i % 4
NUMBERS = np.arange(SIZE + 1)
ANGLES = 0.1 * NUMBERS + 1e-7 * NUMBERS**2  # so that no two are equally near to a third
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
VECTORS[0] = 0.0
# Popular are 5, 10, 3, 8, 1, 6, 11, 4, 9, 2, 7 and 12: counts 11 to 0.
COUNTS = np.array([0, *(i * 7 % SIZE for i in range(1, SIZE + 1))], np.float32)
NUMBERS = np.arange(SIZE + 1, dtype=np.float32)
# Of the ranker's features, after three of each score and popularity: an item's mean rating, which
# is its number here.
MEAN_RATING = 3 * (1 + len(TABLE_SCORES)) + 1
NEW = 2  # the only item that is not old


class Near(tf.Module):
    """A user is the vector of the item that they took last: near items have near numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._items = tf.constant(VECTORS)
        self.temperature = tf.Variable(1.0, trainable=False)

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.gather(self._items, inputs[features.HISTORY_INDEX][:, 0])


class Ranker(tf.Module):
    """Likes items with large numbers; the rating is half the number."""

    def relevance(self, candidates: tf.Tensor) -> tf.Tensor:
        return 10.0 * candidates[:, :, MEAN_RATING]

    def rating(self, inputs: dict[str, tf.Tensor], index: tf.Tensor) -> tf.Tensor:
        return tf.cast(index, tf.float32) / 2.0


def generators() -> CandidateGenerators:
    following = NeighbourTable.empty(SIZE, 2)
    following.index[1], following.weight[1] = (9, 12), (2.0, 1.0)
    return CandidateGenerators(
        [Family(Near(), BruteForceIndex(VECTORS[1:]), tf.Variable(VECTORS), "two_tower")],
        Counted(
            COUNTS,
            np.array([[5, 1], [10, 3]], np.int32),  # of categories a and b
            [],
            ItemNeighbours(following, "following"),
            ItemNeighbours(following, "nearby"),
        ),
        NUMBERS > 0,
        CandidateOptions(history=1, neighbours=1, categories=1, of_category=2, popular=2, fresh=0),
        CANDIDATES,
    )


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    catalogue = [
        CatalogueItem(
            str(i).encode(),
            b"",
            CATEGORIES[i % 4],
            float(COUNTS[i]),
            age_days=0.0 if i == NEW else 9000.0,
        )
        for i in range(1, SIZE + 1)
    ]
    file = tmp_path_factory.mktemp("items") / "ids.txt"
    file.write_text("".join(f"{i}\n" for i in range(1, SIZE + 1)))
    own = generators()
    content = np.zeros([SIZE + 1, 2], np.float32)
    return Recommender(
        own,
        RankingFeatures(own, ItemTable(content, content, content[:, 0]), NUMBERS),
        Ranker(),
        Reranker(ItemFacts(catalogue), RerankingOptions()),
        RelatedItems(VECTORS, BruteForceIndex(VECTORS[1:]), SIZE, 4),
        ItemStore(catalogue, str(file)),
    )


def users_of(recommender: Recommender, history: tf.Tensor, share: tf.Tensor) -> Users:
    rows = tf.shape(history)[0]
    return recommender.users(
        {
            features.USER_INDEX: tf.zeros([rows], tf.int64),
            features.USER_STATISTICS: tf.zeros([rows, 2]),
            features.USER_CATEGORY_SHARE: share,
            features.USER_CATEGORY_RATING: tf.zeros_like(share),
            features.USER_ATTRIBUTE_INDEX: tf.zeros([rows, 1], tf.int64),
            features.HISTORY_INDEX: history,
            features.SEEN_INDEX: history,
        }
    )


def somebody(recommender: Recommender, *histories: list[int]) -> Users:
    padded = [(history + [0] * HISTORY)[:HISTORY] for history in histories]
    return users_of(recommender, tf.constant(padded, tf.int64), tf.zeros([len(histories), 2]))


def wishes(diversity: float = 0.0, freshness: float = 0.0) -> Wishes:
    return Wishes(None, tf.constant([diversity]), tf.constant([freshness]))


class Requests(tf.Module):
    """One graph for all requests."""

    def __init__(self, recommender: Recommender) -> None:
        super().__init__()
        self._recommender = recommender

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, HISTORY], tf.int64),
            tf.TensorSpec([None, 2]),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None], tf.string),
            tf.TensorSpec([None]),
            tf.TensorSpec([None]),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def recommend(
        self,
        history: Any,
        share: Any,
        excluded: Any,
        category: Any,
        diversity: Any,
        freshness: Any,
        k: Any,
    ) -> ItemList:
        users = users_of(self._recommender, history, share)
        own = Wishes(category, diversity, freshness)
        return self._recommender.recommend(users, excluded, k, own)


@pytest.fixture(scope="module")
def requests(recommender: Recommender) -> Requests:
    return Requests(recommender)


item = st.integers(0, SIZE)
strength = st.sampled_from([-1.0, 0.0, 0.0, 0.5, 1.0])
request_row = st.tuples(
    st.lists(st.integers(1, SIZE), max_size=HISTORY, unique=True),
    st.sampled_from([[0.0, 0.0], [0.75, 0.25], [0.0, 1.0]]),
    st.lists(item, max_size=SIZE),
    st.lists(st.sampled_from([b"", b"", b"a", b"b", b"unknown"]), max_size=2),
    strength,
    strength,
)


def ask(requests: Requests, rows: list[Any], k: int) -> ItemList:
    """Asks as the servable does: what was seen is excluded, too."""
    history, share, excluded, category, diversity, freshness = zip(*rows, strict=True)
    out = [own + seen for own, seen in zip(excluded, history, strict=True)]
    width, names = max(map(len, out)), max(map(len, category))
    number = len(rows)
    return requests.recommend(
        tf.constant([(own + [0] * HISTORY)[:HISTORY] for own in history], tf.int64),
        tf.constant(share),
        tf.constant([own + [0] * (width - len(own)) for own in out], tf.int32, [number, width]),
        tf.constant(
            [own + [b""] * (names - len(own)) for own in category], tf.string, [number, names]
        ),
        tf.constant(diversity),
        tf.constant(freshness),
        tf.constant(k),
    )


@settings(deadline=None, max_examples=220)
@given(
    rows=st.lists(request_row, min_size=4, max_size=16),
    k=st.integers(1, CANDIDATES),
    single=st.integers(0, 3),
)
def test_rules_hold_when_anything_is_asked(
    requests: Requests, rows: list[Any], k: int, single: int
) -> None:
    found = ask(requests, rows, k)
    for number, (history, _, excluded, category, diversity, freshness) in enumerate(rows):
        listed = found.index[number].numpy().tolist()
        real = [each for each in listed if each]
        never = {*history, *excluded}
        left = {
            each
            for each in range(1, SIZE + 1)
            if each not in never and not set(category) & set(CATEGORIES[each % 4])
        }
        # Nothing that is excluded or seen, nothing twice, and full while items are left.
        assert set(real) <= left
        assert len(set(real)) == len(real) == min(k, len(left))
        assert listed == real + [0] * (k - len(real))
        score = found.score[number].numpy()
        source = found.source[number].numpy().tolist()
        assert np.isfinite(score).all()
        assert score[len(real) :].tolist() == [0.0] * (k - len(real))
        assert [name == b"" for name in source] == [not each for each in listed]
        if diversity <= 0.0:
            assert (np.diff(score[: len(real)]) <= 0.0).all()
            if freshness <= 0.0 and history:
                assert real == sorted(real, reverse=True)
    alone = ask(requests, [rows[single]], k)
    assert alone.index[0].numpy().tolist() == found.index[single].numpy().tolist()
    assert alone.source[0].numpy().tolist() == found.source[single].numpy().tolist()
    np.testing.assert_allclose(alone.score[0], found.score[single], rtol=1e-5)


def test_candidates_take_turns_and_keep_their_scores_when_retrieved(
    recommender: Recommender,
) -> None:
    found = recommender.retrieve(somebody(recommender, [1]), tf.constant([[1, 3, 0]]))
    # The family's 1, 2, 3, 4, ...; the neighbour 9; the popular 5, 10 and, as two are excluded, 3
    # and 8: by turn 1 9 5 / 2 10 / 3 3 / 4 8 / 5 / 6 / 7, without 1 and 3.
    assert found.index.numpy().tolist() == [[9, 5, 2, 10, 4, 8, 6, 7]]
    popular, family = b"popular", b"two_tower"
    expected = [b"neighbours", popular, family, popular, family, popular, family, family]
    assert found.source.numpy().tolist() == [expected]
    # The neighbour's weight; shares of the most popular item's count; cosines.
    scores = [2, 11 / 11, np.cos(0.1), 10 / 11, np.cos(0.3), 8 / 11, np.cos(0.5), np.cos(0.6)]
    np.testing.assert_allclose(found.score[0], scores, rtol=1e-5)


def test_excluded_categories_are_left_out_when_retrieved(recommender: Recommender) -> None:
    users = somebody(recommender, [1], [1])
    category = tf.constant([[b"a", b""], [b"", b"unknown"]])
    found = recommender.retrieve(users, tf.constant([[1], [1]]), category)
    # Items 1, 3, 5, ... are of category a.
    assert sorted(found.index[0].numpy()) == [0, 0, 2, 4, 6, 8, 10, 12]
    assert 0 not in found.index[1].numpy()


def test_the_ranker_orders_and_sources_follow_when_recommended(recommender: Recommender) -> None:
    found = recommender.recommend(
        somebody(recommender, [1]), tf.constant([[1, 3, 0]]), tf.constant(4)
    )
    assert found.index.numpy().tolist() == [[10, 9, 8, 7]]
    assert found.score.numpy().tolist() == [[100.0, 90.0, 80.0, 70.0]]
    expected = [b"popular", b"neighbours", b"popular", b"two_tower"]
    assert found.source.numpy().tolist() == [expected]


def test_cold_users_keep_the_turns_when_recommended(recommender: Recommender) -> None:
    inputs = tf.zeros([2, HISTORY], tf.int64)
    users = users_of(recommender, inputs, tf.constant([[0.0, 0.0], [0.25, 0.75]]))
    found = recommender.recommend(users, tf.zeros([2, 0], tf.int32), tf.constant(4))
    # What is popular; the second user's favourite category, with 10 and 3, takes turns with it.
    assert found.index.numpy().tolist() == [[5, 10, 3, 8], [10, 5, 3, 8]]
    np.testing.assert_allclose(found.score, [[1, 1 / 2, 1 / 3, 1 / 4]] * 2, rtol=1e-6)
    assert found.source[1].numpy().tolist() == [b"categories", b"popular"] * 2


def test_a_new_item_moves_up_when_freshness_is_asked_for(recommender: Recommender) -> None:
    users, excluded = somebody(recommender, [1]), tf.constant([[1, 3, 0]])
    plain = recommender.recommend(users, excluded, tf.constant(8), wishes())
    assert plain.index[0, -1].numpy() == NEW
    fresh = recommender.recommend(users, excluded, tf.constant(8), wishes(freshness=1.0))
    # 20, 40, 50, 60, 70, 80, 90 and 100 deviate by 24.97 from their mean: 20 and twice that.
    assert fresh.index.numpy().tolist() == [[10, 9, 8, 7, NEW, 6, 5, 4]]
    assert fresh.score[0, 4].numpy() == pytest.approx(69.94, abs=0.01)


def test_lists_spread_when_diversity_is_asked_for(recommender: Recommender) -> None:
    users, excluded = somebody(recommender, [1]), tf.constant([[1, 3, 0]])
    lists = [
        recommender.recommend(users, excluded, tf.constant(4), wishes(diversity))
        for diversity in (0.0, 1.0)
    ]
    assert lists[0].index.numpy().tolist() == [[10, 9, 8, 7]]
    # The best stays first; next is what is furthest from it.
    assert lists[1].index[0, :2].numpy().tolist() == [10, 2]
    near, spread = (float(recommender.distance(each.index)[0]) for each in lists)
    assert spread > 2.0 * near


def test_unknown_item_is_last_when_ranked(recommender: Recommender) -> None:
    relevance, rating = recommender.rank(
        somebody(recommender, [1]), tf.constant([[1]]), tf.constant([[3, 0, 12]])
    )
    assert relevance.numpy().tolist() == [[30.0, np.float32(UNRANKED_SCORE), 120.0]]
    assert rating.numpy().tolist() == [[1.5, 0.0, 6.0]]


def test_items_are_looked_up_when_asked_about(recommender: Recommender) -> None:
    np.testing.assert_array_equal(recommender.embed_items(tf.constant([3, 0])), VECTORS[[3, 0]])
    index, score = recommender.similar(tf.constant([1, 0]), tf.constant(2))
    assert index.numpy().tolist() == [[2, 3], [0, 0]]
    np.testing.assert_allclose(score, [[np.cos(0.1), np.cos(0.2)], [0, 0]], rtol=1e-5)
    popular = recommender.popular(tf.constant([[10, 0], [0, 0]]), tf.constant(2))
    assert popular.numpy().tolist() == [[5, 3], [5, 10]]


def test_distance_is_the_mean_over_pairs_when_worked_out(recommender: Recommender) -> None:
    lists = tf.constant([[1, 3, 6, 0], [7, 0, 0, 0], [0, 0, 0, 0], [2, 4, 0, 0]])
    # Angles of 0.2, 0.3 and 0.5 between three items; one has no distance; 0.2 between two.
    mean = np.mean([1 - np.cos(angle) for angle in (0.2, 0.3, 0.5)])
    expected = [mean, 0.0, 0.0, 1 - np.cos(0.2)]
    np.testing.assert_allclose(recommender.distance(lists), expected, atol=3e-6)


def test_only_what_is_kept_is_known_when_users_are_strangers() -> None:
    inputs = {
        features.USER_INDEX: tf.constant([4, 5]),
        features.HISTORY_INDEX: tf.constant([[1, 2], [3, 0]]),
        features.SEEN_INDEX: tf.constant([[1, 2, 9], [3, 0, 0]]),
    }
    nobody = {
        features.USER_INDEX: tf.constant([0]),
        features.HISTORY_INDEX: tf.constant([[0, 0]]),
        features.SEEN_INDEX: tf.zeros([1, 0], tf.int32),
    }
    known = known_by(inputs, (features.HISTORY_INDEX,), nobody)
    assert known[features.USER_INDEX].numpy().tolist() == [0, 0]
    assert known[features.HISTORY_INDEX].numpy().tolist() == [[1, 2], [3, 0]]
    assert known[features.SEEN_INDEX].shape == (2, 0)
