from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.content import ContentRetrieval, fit, scale_rating
from models.retrieval.export import RetrievalExport
from models.retrieval.model import FitContext
from models.retrieval.options import ContentOptions
from models.training import seed_everything

OPTIONS = ContentOptions(
    hidden_units=(16,), embedding_dimension=4, batch_size=64, max_epochs=8, patience=8
)
EXPLICIT = FitContext(seed=3, rating_range=(1.0, 5.0), log_folder="")
IMPLICIT = FitContext(seed=3, rating_range=None, log_folder="")


@pytest.fixture(scope="module")
def catalogue(table: ItemTable) -> ItemTable:
    """Items of odd number are of the first category, those of even number of the second."""
    multi_hot = np.zeros([25, 2], np.float32)
    multi_hot[1::2, 0] = multi_hot[2::2, 1] = 1.0
    content = np.concatenate([multi_hot, np.zeros([25, 1], np.float32)], axis=1)
    return ItemTable(content, multi_hot, table.log_frequency)


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    """Users with a taste for a category, which their features tell, rate it 5 and the other 1."""
    random = np.random.default_rng(2)
    user, item = random.integers(1, 17, 640), random.integers(1, 25, 640)
    liked = (user + item) % 2 == 0
    taste = np.stack([user % 2, 1 - user % 2], axis=1).astype(np.float32)
    return {
        features.USER_INDEX: user,
        features.USER_STATISTICS: np.zeros([640, 2], np.float32),
        features.USER_CATEGORY_SHARE: taste,
        features.USER_CATEGORY_RATING: taste,
        features.USER_ATTRIBUTE_INDEX: np.zeros([640, 1], np.int64),
        features.HISTORY_INDEX: np.zeros([640, 6], np.int64),
        features.ITEM_INDEX: item,
        features.LABEL_RATING: np.where(liked, 5.0, 1.0).astype(np.float32),
    }


@pytest.fixture(scope="module")
def model(
    columns: dict[str, Any], catalogue: ItemTable, in_memory: Callable[..., Any]
) -> ContentRetrieval:
    seed_everything(3)
    fitted = fit(in_memory(columns, catalogue), OPTIONS, EXPLICIT)
    assert isinstance(fitted, ContentRetrieval)
    return fitted


@pytest.fixture
def two_tastes(user_inputs: Callable[..., dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
    """Two users whom no vocabulary knows, of odd and of even taste."""
    taste = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    told = {features.USER_CATEGORY_SHARE: taste, features.USER_CATEGORY_RATING: taste}
    return user_inputs([[], []]) | told


def test_target_is_minus_1_to_1_when_ratings_are_scaled() -> None:
    # The range 0.5 to 5: its middle is 2.75.
    scaled = scale_rating(tf.constant([0.5, 2.75, 5.0]), (0.5, 5.0))
    assert scaled.numpy().tolist() == [-1.0, 0.0, 1.0]


def test_own_category_ranks_first_when_users_are_new(
    model: ContentRetrieval, two_tastes: dict[str, tf.Tensor]
) -> None:
    scores = model.scorer()(two_tastes).numpy()
    assert scores[0, 1::2].min() > scores[0, 2::2].max()
    assert scores[1, 2::2].min() > scores[1, 1::2].max()


def test_ratings_are_predicted_when_feedback_is_explicit(
    model: ContentRetrieval, two_tastes: dict[str, tf.Tensor]
) -> None:
    ratings = model.predict_rating(two_tastes, tf.constant([[1, 2, 1], [0, 2, 1]], tf.int64))
    assert model.predicts_ratings
    np.testing.assert_allclose(ratings[0], [5.0, 1.0, 5.0], atol=0.5)
    np.testing.assert_allclose(ratings[1, 1:], [5.0, 1.0], atol=0.5)
    assert 1.0 <= ratings[1, 0] <= 5.0


def test_own_category_ranks_first_when_feedback_is_implicit(
    columns: dict[str, Any],
    catalogue: ItemTable,
    in_memory: Callable[..., Any],
    two_tastes: dict[str, tf.Tensor],
) -> None:
    liked = columns[features.LABEL_RATING] == 5.0
    chosen = {name: column[liked] for name, column in columns.items()}
    chosen[features.LABEL_RATING] = np.ones(int(liked.sum()), np.float32)
    chosen[features.USER_CATEGORY_RATING] = np.zeros([int(liked.sum()), 2], np.float32)
    seed_everything(3)
    model = fit(in_memory(chosen, catalogue), OPTIONS, IMPLICIT)
    scores = model.scorer()(two_tastes).numpy()
    assert scores[0, 1::2].min() > scores[0, 2::2].max()
    assert scores[1, 2::2].min() > scores[1, 1::2].max()
    assert not model.predicts_ratings
    with pytest.raises(ValueError, match="trained on ratings.*implicit feedback. Use the scores"):
        model.predict_rating(two_tastes, tf.constant([[1], [2]], tf.int64))


def test_embeddings_are_the_same_when_saved(
    model: ContentRetrieval,
    columns: dict[str, Any],
    in_memory: Callable[..., Any],
    two_tastes: dict[str, tf.Tensor],
    tmp_path: Any,
) -> None:
    export = RetrievalExport(model, "content", in_memory(columns).user_specs())
    tf.saved_model.save(export, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    every = tf.range(25, dtype=tf.int64)
    np.testing.assert_allclose(
        loaded.embed_users(two_tastes), model.embed_users(two_tastes), atol=1e-5
    )
    np.testing.assert_allclose(loaded.embed_items(every), model.embed_items(every), atol=1e-5)
    assert np.isfinite(loaded.embed_items(every)).all()


def test_embeddings_are_finite_when_nothing_varies(
    interactions: dict[str, Any], in_memory: Callable[..., Any], table: ItemTable
) -> None:
    still = ItemTable(np.zeros_like(table.content), table.category_multi_hot, table.log_frequency)
    constant = interactions | {features.LABEL_RATING: np.full(640, 3.0, np.float32)}
    model = fit(in_memory(constant, still), OPTIONS.model_copy(update={"max_epochs": 1}), EXPLICIT)
    assert np.isfinite(model.embed_items(tf.range(25))).all()
