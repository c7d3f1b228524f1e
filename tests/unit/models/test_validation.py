import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.losses import MASKED_LOGIT
from models.validation import (
    BATCH,
    VALIDATION_NDCG,
    RankValidation,
    mask_history,
    mean_ndcg,
    position_of,
)


def test_history_and_unknown_item_are_masked_when_scored() -> None:
    scores = tf.constant([[9.0, 1.0, 2.0, 3.0], [9.0, 1.0, 2.0, 3.0]])
    masked = mask_history(scores, tf.constant([[3, 0, 0], [1, 2, 2]])).numpy()
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
    assert mean_ndcg(interactions, position) == pytest.approx(1.5 / 3)


def test_every_row_counts_once_when_there_are_several_batches() -> None:
    place = np.array([1] * BATCH + [3], np.float32)
    interactions = {features.ITEM_INDEX: place}
    found = mean_ndcg(interactions, lambda batch: batch[features.ITEM_INDEX])
    assert found == pytest.approx((BATCH + 0.5) / (BATCH + 1))


def test_measure_is_put_into_the_logs_when_an_epoch_ends() -> None:
    logs = {"loss": 1.0}
    RankValidation(lambda: 0.25, "name", 2).on_epoch_end(0, logs)
    assert logs[VALIDATION_NDCG] == 0.25
