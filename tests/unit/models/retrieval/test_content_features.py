from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.content_features import ContentFeatures, Standardizer
from models.retrieval.interaction_table import InteractionTable


@pytest.fixture
def catalogue() -> ItemTable:
    """Items 1 and 2 of one category each; the third column never varies."""
    content = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    return ItemTable(content, content[:, :2], np.full(3, np.log(0.5), np.float32))


@pytest.fixture
def ratings() -> InteractionTable:
    """Item 1 has ratings 5 and 1, item 2 has 3: the mean of all is 3."""
    return InteractionTable(
        np.array([1, 2, 2]), np.array([1, 1, 2]), np.array([5.0, 1.0, 3.0], np.float32), 2, 2
    )


@pytest.fixture
def rows(ratings: InteractionTable) -> dict[str, Any]:
    return {
        features.USER_STATISTICS: np.array([[0, 1], [1, 0], [2, 0]], np.float32),
        features.USER_CATEGORY_RATING: np.array([[0, 2], [0, 0], [0, 1]], np.float32),
        features.USER_CATEGORY_SHARE: np.array([[1, 0], [1, 0], [0, 1]], np.float32),
        features.ITEM_INDEX: ratings.item_index,
        features.LABEL_RATING: ratings.rating,
    }


def test_columns_have_mean_0_and_variance_1_when_scaled() -> None:
    scale = Standardizer(np.array([[1, 7, 2], [3, 7, 4]], np.float32))
    # The second column never varies and is dropped; the others are 1 deviation below and above.
    assert scale(tf.constant([[1.0, 7.0, 2.0], [3.0, 9.0, 3.0]])).numpy().tolist() == [
        [-1.0, -1.0],
        [1.0, 0.0],
    ]


def test_one_column_of_zeros_is_left_when_nothing_varies() -> None:
    scale = Standardizer(np.full([3, 2], 4.0, np.float32))
    assert scale.width == 1
    assert scale(tf.constant([[4.0, 4.0]])).numpy().tolist() == [[0.0]]


def test_says_so_when_a_feature_is_not_finite() -> None:
    with pytest.raises(ValueError, match="features must be finite.*2 rows, 1 values not finite"):
        Standardizer(np.array([[1.0, np.nan], [1.0, 2.0]], np.float32))


def test_own_rating_is_left_out_when_training(
    catalogue: ItemTable, ratings: InteractionTable, rows: dict[str, Any]
) -> None:
    content = ContentFeatures(catalogue, ratings, rows, explicit=True)
    # Means start from 5 ratings of 3. Without its own: (15 + 1) / 6, (15 + 5) / 6, 15 / 5.
    means = np.array([16 / 6, 20 / 6, 3.0])
    scaled = content.training_items({name: tf.constant(col) for name, col in rows.items()})
    expected = (means - means.mean()) / means.std()
    np.testing.assert_allclose(scaled[:, 0], expected, atol=1e-5)
    # With all of them: item 1 (15 + 6) / 7 = 3, item 2 (15 + 3) / 6 = 3, the unknown one 3.
    full = (3.0 - means.mean()) / means.std()
    np.testing.assert_allclose(content.items(tf.range(3))[:, 0], [full] * 3, atol=1e-5)
    # The mean and the two categories; the column that never varies is gone.
    assert content.scale_items.width == 3


def test_shares_stand_for_ratings_when_feedback_is_implicit(
    catalogue: ItemTable, ratings: InteractionTable, rows: dict[str, Any]
) -> None:
    inputs = {name: tf.constant(column) for name, column in rows.items()}
    explicit = ContentFeatures(catalogue, ratings, rows, explicit=True).users(inputs)
    # Count, mean, and the one category whose rating varies.
    assert explicit.shape == (3, 3)
    implicit = ContentFeatures(catalogue, ratings, rows, explicit=False).users(inputs)
    # Count, mean, and both shares.
    assert implicit.shape == (3, 4)
