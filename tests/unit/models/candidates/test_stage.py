from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from models import features
from models.candidates.co_visitation import CoVisitation, NeighbourTable
from models.candidates.options import CandidateOptions
from models.candidates.stage import Stage, index_of, save_stage
from models.candidates.statistics import CatalogueStatistics
from models.errors import UnsuitableDataError
from models.index import BruteForceIndex, PartialIndex
from models.options import IndexOptions
from models.retrieval.export import RetrievalExport

ITEMS = 5
EXACT = IndexOptions(kind="brute_force")


class Planted(tf.Module):
    """What an export asks of a model: embeds a user as the item that they took last."""

    def __init__(self, vectors: npt.NDArray[np.float32]) -> None:
        super().__init__()
        self._items = tf.Variable(vectors)
        self.catalogue_size, self.direction_size = ITEMS, vectors.shape[1]

    def temperature(self) -> float:
        return 0.5

    def embed_users(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.gather(self._items, inputs[features.HISTORY_INDEX][:, 0])

    def embed_items(self, item_index: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._items, item_index)


def vectors(width: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(width).normal(size=[ITEMS + 1, width]).astype(np.float32)


def statistics() -> CatalogueStatistics:
    following, nearby = NeighbourTable.empty(ITEMS, 2), NeighbourTable.empty(ITEMS, 1)
    following.index[1] = 3, 4
    following.weight[1] = 2.0, 1.0
    return CatalogueStatistics(
        counts=np.array([0, 9, 7, 5, 1, 0], np.float32),
        mean_rating=np.array([3, 4, 3, 2, 3, 3], np.float32),
        category_top=np.array([[2, 3]], np.int32),
        attribute_top=(np.array([[0], [3]], np.int32),),
        pairs=CoVisitation(following, nearby),
    )


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    specs = {
        features.HISTORY_INDEX: tf.TensorSpec([None, 2], tf.int64, "history"),
        features.SEEN_INDEX: tf.TensorSpec([None, None], tf.int64, "seen"),
        features.USER_CATEGORY_SHARE: tf.TensorSpec([None, 1], tf.float32, "share"),
        features.USER_ATTRIBUTE_INDEX: tf.TensorSpec([None, 1], tf.int64, "attribute"),
    }

    def run(**of_kinds: npt.NDArray[np.float32]) -> str:
        exports = [
            RetrievalExport(Planted(of_kind), kind, specs) for kind, of_kind in of_kinds.items()
        ]
        path = str(tmp_path_factory.mktemp("stage"))
        save_stage(exports, statistics(), path)
        return path

    return run


@pytest.fixture(scope="module")
def stage(save: Callable[..., str]) -> Stage:
    return Stage(save(two_tower=vectors(3), ease=vectors(4)))


def asked(history: list[int]) -> dict[str, Any]:
    own = tf.constant([history], tf.int64)
    return {
        features.HISTORY_INDEX: own,
        features.SEEN_INDEX: own,
        features.USER_CATEGORY_SHARE: tf.ones([1, 1]),
        features.USER_ATTRIBUTE_INDEX: tf.ones([1, 1], tf.int64),
    }


def test_models_and_statistics_are_those_saved_when_loaded(stage: Stage) -> None:
    assert stage.kinds == ["two_tower", "ease"]
    assert stage.counts.tolist() == [0, 9, 7, 5, 1, 0]
    assert stage.mean_rating.tolist() == [3, 4, 3, 2, 3, 3]
    for found, width in zip(stage.embeddings, (3, 4), strict=True):
        np.testing.assert_array_equal(found[1:], vectors(width)[1:])
        # Whatever a model says of the unknown item.
        assert found[0].tolist() == [0.0] * width


@pytest.mark.parametrize("kind", ["brute_force", "scann"])
def test_generators_nominate_when_the_stage_is_loaded(stage: Stage, kind: str) -> None:
    generators = stage.generators(CandidateOptions(), IndexOptions(kind=kind), ITEMS)
    users = generators.users(asked([1, 2]))
    scores = generators.scores(users, tf.constant([[3, 4]])).numpy()[0]
    for family, width in enumerate((3, 4)):
        # Dot products with item 1, over the temperature.
        expected = 2.0 * vectors(width)[[3, 4]] @ vectors(width)[1]
        np.testing.assert_allclose(scores[family], expected, rtol=1e-5)
    assert scores[2].tolist() == [2.0, 1.0]  # what follows item 1
    found = generators.retrieve(users, tf.constant([[1, 2]]))
    assert sorted(found.index[0].numpy()) == [0, 0, 3, 4, 5]
    nearest = 3 + int(np.argmax(vectors(3)[3:] @ vectors(3)[1]))
    assert nearest in found.index[0].numpy()


def test_categories_and_attributes_nominate_when_the_user_is_cold(stage: Stage) -> None:
    options = CandidateOptions(popular=0, fresh=0)
    generators = stage.generators(options, EXACT, 2)
    found = generators.retrieve(generators.users(asked([0, 0])), tf.zeros([1, 0], tf.int32))
    assert found.index.numpy().tolist() == [[2, 3]]
    assert [generators.sources[place] for place in found.source[0]] == ["categories", "attributes"]


def test_only_what_filters_let_pass_is_nominated_when_there_are_filters(stage: Stage) -> None:
    passes = np.array([False, True, False, True, False, True])
    generators = stage.generators(CandidateOptions(), EXACT, ITEMS, passes)
    found = generators.retrieve(generators.users(asked([1, 2])), tf.zeros([1, 0], tf.int32))
    assert sorted(found.index[0].numpy()) == [0, 0, 1, 3, 5]


def test_stage_is_refused_when_filters_let_nothing_pass(stage: Stage) -> None:
    message = "at least one item that the filters let pass was expected. Received: none. Loosen"
    with pytest.raises(UnsuitableDataError, match=message):
        stage.generators(CandidateOptions(), EXACT, ITEMS, np.zeros(ITEMS + 1, np.bool_))


def test_stage_is_refused_when_embeddings_are_not_finite(save: Callable[..., str]) -> None:
    broken = vectors(4)
    broken[2, 1], broken[5, 0] = np.nan, np.inf
    path = save(two_tower=vectors(3), ease=broken)
    message = "5 finite item embeddings were expected of ease. Received: 2 that are not. Lower"
    with pytest.raises(FloatingPointError, match=message):
        Stage(path)


def test_an_index_keeps_the_items_numbers_when_it_holds_some() -> None:
    rows = np.eye(4, dtype=np.float32)
    whole = index_of(rows, np.array([1, 2, 3], np.int32), EXACT)
    assert isinstance(whole, BruteForceIndex)
    part = index_of(rows, np.array([1, 3], np.int32), EXACT)
    assert isinstance(part, PartialIndex)
    for index in (whole, part):
        found, _ = index.search(tf.constant(rows[3:]), tf.constant(1))
        assert found.numpy().tolist() == [[3]]
