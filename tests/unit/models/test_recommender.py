"""Lists of a recommender over planted vectors, against the same rules in plain Python."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import features
from models.index import BruteForceIndex
from models.item_store import CatalogueItem, ItemStore
from models.popularity import PopularItems
from models.recommender import UNRANKED_SCORE, Recommender

SIZE = 12
CANDIDATES = 8
CATEGORIES = [(), (b"a",), (b"b",), (b"a", b"b")]  # item i has number i % 4
ANGLES = np.arange(SIZE + 1) * 0.1
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
COUNTS = [float(i * 7 % SIZE) for i in range(1, SIZE + 1)]  # 0 to 11, each once


class Retrieval(tf.Module):
    """A user is the vector of the item that they took last: near items have near numbers."""

    def __init__(self, items: np.ndarray = VECTORS) -> None:
        super().__init__()
        self._items = tf.constant(items)
        self.kind = tf.Variable("two_tower", trainable=False)
        self.direction_size = tf.Variable(2, trainable=False)

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.gather(self._items, inputs[features.HISTORY_INDEX][:, 0])

    def embed_items(self, index: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._items, index)


class Ranker(tf.Module):
    """Likes items with large numbers; the rating is half the number."""

    def rank(self, inputs: Any, users: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(index, tf.float32) * 10.0, tf.cast(index, tf.float32) / 2.0


class Shallow(BruteForceIndex):
    """Finds three items at most, as partitions that hold too few do."""

    def search(self, queries: tf.Tensor, n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        index, score = super().search(queries, n)
        found = (tf.range(n) < 3)[tf.newaxis, :]
        return tf.where(found, index, 0), tf.where(found, score, 0.0)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> ItemStore:
    catalogue = [
        CatalogueItem(str(i).encode(), b"", CATEGORIES[i % 4], COUNTS[i - 1])
        for i in range(1, SIZE + 1)
    ]
    file = tmp_path_factory.mktemp("items") / "ids.txt"
    file.write_text("".join(f"{i}\n" for i in range(1, SIZE + 1)))
    return ItemStore(catalogue, str(file))


@pytest.fixture(scope="module")
def recommend(items: ItemStore) -> Any:
    recommender = Recommender(
        Retrieval(),
        Ranker(),
        BruteForceIndex(VECTORS[1:]),
        BruteForceIndex(VECTORS[1:]),
        PopularItems(COUNTS),
        items,
        SIZE,
        CANDIDATES,
    )
    rows = tf.TensorSpec([None, None], tf.int32)

    class Graphs(tf.Module):
        @tf.function(
            input_signature=[
                rows,
                rows,
                tf.TensorSpec([None, None], tf.string),
                tf.TensorSpec([], tf.int32),
            ]
        )
        def recommend(self, history: Any, excluded: Any, category: Any, k: Any) -> Any:
            users = recommender.users({features.HISTORY_INDEX: history})
            return recommender.recommend(users, excluded, k, category)

        def retrieve(self, history: list[list[int]], excluded: list[list[int]]) -> Any:
            users = recommender.users({features.HISTORY_INDEX: tf.constant(history)})
            return recommender.retrieve(users, tf.constant(excluded))

        def rank(self, history: list[list[int]], index: list[list[int]]) -> Any:
            users = recommender.users({features.HISTORY_INDEX: tf.constant(history)})
            return recommender.rank(users, tf.constant(index))

        similar = staticmethod(recommender.similar)

    return Graphs()


def expected_list(last: int, excluded: set[int], category: set[bytes]) -> list[int]:
    """What the rules say of one user whose last item is `last`, 0 for a cold user."""
    allowed = [
        item
        for item in range(1, SIZE + 1)
        if item not in excluded and not category & set(CATEGORIES[item % 4])
    ]
    if not last:
        return sorted(allowed, key=lambda item: -COUNTS[item - 1])[:CANDIDATES]
    # The nearest, then by the ranker; distances to `last` tie between both sides.
    nearest = sorted(allowed, key=lambda item: (abs(item - last), item))
    return sorted(nearest[:CANDIDATES], reverse=True)


item = st.integers(0, SIZE)
row = st.tuples(
    item,
    st.lists(item, min_size=0, max_size=14),
    st.lists(st.sampled_from([b"", b"a", b"b", b"unknown"]), max_size=3),
)


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(row, min_size=1, max_size=4), k=st.integers(1, CANDIDATES))
def test_rules_hold_when_anything_is_excluded(recommend: Any, rows: Any, k: int) -> None:
    width = max(len(excluded) for _, excluded, _ in rows)
    names = max(len(category) for _, _, category in rows)
    found = recommend.recommend(
        tf.constant([[last] for last, _, _ in rows]),
        tf.constant(
            [excluded + [0] * (width - len(excluded)) for _, excluded, _ in rows],
            tf.int32,
            shape=[len(rows), width],
        ),
        tf.constant(
            [category + [b""] * (names - len(category)) for _, _, category in rows],
            tf.string,
            shape=[len(rows), names],
        ),
        tf.constant(k),
    )
    for number, (last, excluded, category) in enumerate(rows):
        listed = found.index[number].numpy()
        assert listed.shape == (k,)
        real = listed[listed > 0].tolist()
        padding = k - len(real)
        assert listed[len(real) :].tolist() == [0] * padding
        assert len(set(real)) == len(real)
        expected = expected_list(last, set(excluded), set(category) - {b""})
        assert len(real) == min(k, len(expected))
        assert not set(real) & set(excluded)
        scores = found.score[number].numpy()
        assert (np.diff(scores[: len(real)]) <= 0).all()
        assert scores[len(real) :].tolist() == [0.0] * padding
        source = b"two_tower" if last else b"popular"
        sources = found.source[number].numpy().tolist()
        assert sources == [source] * len(real) + [b""] * padding
        # At equal distance either neighbour may be the last candidate; elsewhere it is settled.
        tied = last and len(set(range(1, SIZE + 1)) - set(excluded)) > CANDIDATES
        if not tied:
            assert real == expected[:k]


def test_candidates_are_the_nearest_unseen_when_retrieved(recommend: Any) -> None:
    found = recommend.retrieve([[1, 0]], [[1, 3, 3, 0]])
    # From item 1 on, less 1 and 3; cosines of the angles between.
    assert found.index.numpy().tolist() == [[2, 4, 5, 6, 7, 8, 9, 10]]
    gaps = np.array([1, 3, 4, 5, 6, 7, 8, 9]) * 0.1
    np.testing.assert_allclose(found.score[0], np.cos(gaps), rtol=1e-5)


def test_unknown_item_is_last_when_ranked(recommend: Any) -> None:
    relevance, rating = recommend.rank([[1]], [[3, 0, 12]])
    assert relevance.numpy().tolist() == [[30.0, np.float32(UNRANKED_SCORE), 120.0]]
    assert rating.numpy().tolist() == [[1.5, 0.0, 6.0]]


def test_neighbours_leave_the_item_out_when_similar_are_asked(recommend: Any) -> None:
    found = recommend.similar(tf.constant([1, 0, 12]), tf.constant(3))
    assert found.index.numpy().tolist() == [[2, 3, 4], [0, 0, 0], [11, 10, 9]]
    np.testing.assert_allclose(found.score[0], np.cos([0.1, 0.2, 0.3]), rtol=1e-5)
    assert found.source.numpy().tolist()[1] == [b""] * 3


def test_list_is_padded_when_more_neighbours_are_asked_than_there_are(recommend: Any) -> None:
    found = recommend.similar(tf.constant([6]), tf.constant(20))
    listed = found.index.numpy()[0].tolist()
    assert set(listed[:11]) == set(range(1, SIZE + 1)) - {6}
    assert listed[11:] == [0] * 9


def test_related_items_are_near_in_direction_when_embeddings_have_length_and_bias(
    items: ItemStore,
) -> None:
    # Without the rule, item 12 would come first for all: it is 12 long, and has the largest bias.
    numbers = np.arange(SIZE + 1, dtype=np.float32)[:, np.newaxis]
    retrieval = Retrieval(np.concatenate([VECTORS * numbers, numbers], axis=1))
    by_dot, by_direction = BruteForceIndex(VECTORS[1:] * numbers[1:]), BruteForceIndex(VECTORS[1:])
    recommender = Recommender(
        retrieval, Ranker(), by_dot, by_direction, PopularItems(COUNTS), items, SIZE, CANDIDATES
    )
    found = recommender.similar(tf.constant([3, 0]), tf.constant(4))
    assert set(found.index[0, :2].numpy()) == {2, 4}
    assert set(found.index[0, 2:].numpy()) == {1, 5}
    # Two steps of 0.1 from item 3 on the circle.
    assert found.score[0, 2].numpy() == pytest.approx(np.cos(0.2), abs=1e-5)
    assert found.index[1].numpy().tolist() == [0] * 4


def test_list_is_filled_with_what_is_popular_when_the_index_finds_too_few(
    items: ItemStore,
) -> None:
    recommender = Recommender(
        Retrieval(),
        Ranker(),
        Shallow(VECTORS[1:]),
        Shallow(VECTORS[1:]),
        PopularItems(COUNTS),
        items,
        SIZE,
        CANDIDATES,
    )
    users = recommender.users({features.HISTORY_INDEX: tf.constant([[1]])})
    found = recommender.retrieve(users, tf.constant([[1]]))
    # Of the nearest, 1, 2 and 3, the first is excluded. Counts are 7 i mod 12: the most popular
    # are 5 (11), 10 (10), 3 (9), 8 (8), 1 (7), 6 (6), 11 (5), 4 (4), of which 3 and 1 are out.
    assert found.index.numpy().tolist() == [[2, 3, 5, 10, 8, 6, 11, 4]]
    assert found.source.numpy().tolist() == [[b"two_tower"] * 2 + [b"popular"] * 6]
    # The ranker orders all of them, and each keeps its source.
    ranked = recommender.recommend(users, tf.constant([[1]]), tf.constant(4))
    assert ranked.index.numpy().tolist() == [[11, 10, 8, 6]]
    assert ranked.source.numpy().tolist() == [[b"popular"] * 4]
