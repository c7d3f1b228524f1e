import logging

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.losses import MASKED_LOGIT
from models.progress import PROGRESS_LOGGER
from models.validation import (
    VALIDATION_NDCG,
    VALIDATION_RMSE,
    Validation,
    mask_seen,
    mean_ndcg,
    position_of,
)


def test_history_and_unknown_item_are_masked_when_scored() -> None:
    scores = tf.constant([[9.0, 1.0, 2.0, 3.0], [9.0, 1.0, 2.0, 3.0]])
    masked = mask_seen(scores, tf.constant([[3, 0, 0], [1, 2, 2]])).numpy()
    low = np.float32(MASKED_LOGIT)
    assert masked.tolist() == [[low, 1, 2, low], [low, low, low, 3]]


def test_ties_count_against_the_item_when_placed() -> None:
    scores = tf.constant([[0.0, 5.0, 7.0, 5.0], [1.0, 1.0, 1.0, 1.0]])
    # 7 and 5 are at least 5, so item 1 is third; all are alike in row 1, so item 2 is last.
    assert position_of(scores, tf.constant([1, 2])).numpy().tolist() == [3, 4]


def test_ndcg_is_the_mean_gain_when_some_are_not_listed() -> None:
    interactions = {features.ITEM_INDEX: np.array([1, 3, 7])}

    def position(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        index = tf.cast(batch[features.ITEM_INDEX], tf.float32)
        return tf.where(index > 5, np.inf, index)

    # 1/log2(2) + 1/log2(4) + 0, over 3 rows.
    assert mean_ndcg(interactions, position, 7) == pytest.approx(1.5 / 3)


@pytest.mark.parametrize(
    ("catalogue_size", "largest"),
    # Scores of 256 rows fit for a small catalogue, of 20 for a million items, of one beyond that.
    [(10, 256), (1_000_000, 20), (50_000_000, 1)],
)
def test_every_row_counts_once_when_there_are_several_batches(
    catalogue_size: int, largest: int
) -> None:
    place = np.array([1] * 299 + [3], np.float32)
    sizes = []

    def position(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        sizes.append(len(batch[features.ITEM_INDEX]))
        return batch[features.ITEM_INDEX]

    found = mean_ndcg({features.ITEM_INDEX: place}, position, catalogue_size)
    # 1/log2(2) for 299 rows and 1/log2(4) for one.
    assert found == pytest.approx(299.5 / 300)
    assert max(sizes) == largest


def test_measure_is_put_into_the_logs_when_an_epoch_ends() -> None:
    logs = {"loss": 1.0}
    Validation(lambda: 0.25, "name", 2).on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, VALIDATION_NDCG: 0.25}


def test_measure_goes_by_its_own_name_when_it_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, PROGRESS_LOGGER)
    logs = {"loss": 1.0}
    validation = Validation(lambda: 0.25, "rating", 2, VALIDATION_RMSE)
    validation.on_epoch_end(1, logs)
    assert logs == {"loss": 1.0, VALIDATION_RMSE: 0.25}
    expected = "rating: epoch 2 of at most 2, loss 1.000, validation RMSE 0.2500"
    assert caplog.messages == [expected]


def test_better_is_less_when_the_measure_is_an_error() -> None:
    assert Validation(lambda: 0.0, "name", 1).mode == "max"
    assert Validation(lambda: 0.0, "name", 1, VALIDATION_RMSE).mode == "min"
