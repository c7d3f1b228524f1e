from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.retrieval.calibration import (
    ALTERNATIVES,
    UNAVAILABLE,
    calibrate,
    calibrate_with_popularity,
    choice_weights,
    draw_choices,
)
from models.retrieval.model import FitContext
from models.retrieval.options import FamilyOptions, RatingFactorizationOptions

CONTEXT = FitContext(seed=3, rating_range=(1.0, 5.0), log_folder="")
OPTIONS: FamilyOptions = RatingFactorizationOptions()
ITEMS = 24


def own_parity(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """1 for the items that the user's taste is for, else 0."""
    user = tf.cast(inputs[features.USER_INDEX], tf.int32)[:, tf.newaxis]
    return tf.cast((user + tf.range(ITEMS + 1)) % 2 == 0, tf.float32)


def held_out(users: list[int], chosen: list[int], seen: list[list[int]]) -> dict[str, Any]:
    return {
        features.USER_INDEX: np.array(users),
        features.ITEM_INDEX: np.array(chosen),
        features.SEEN_INDEX: np.array(seen),
    }


def test_weight_is_the_log_odds_when_there_are_two_alternatives() -> None:
    # The item of the higher score is chosen in 3 of 4 cases: e^w / (e^w + 1) = 3/4, so w = ln 3.
    scores = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])[:, :, np.newaxis]
    assert choice_weights(scores, np.zeros([4, 2])) == pytest.approx([np.log(3.0)], abs=1e-3)


def test_offset_counts_when_an_alternative_stands_for_several() -> None:
    # The alternative stands for 2, and is always the one of score 0 or its reverse:
    # 3 P(w) ... d/dw: 3 * 2 / (e^w + 2) = 2 e^w / (1 + 2 e^w); x = e^w: 6 + 12x = 2x^2 + 4x,
    # x^2 - 4x - 3 = 0, so x = 2 + sqrt(7).
    scores = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])[:, :, np.newaxis]
    offset = np.array([[0.0, np.log(2.0)]] * 4)
    expected = np.log(2.0 + np.sqrt(7.0))
    assert choice_weights(scores, offset) == pytest.approx([expected], abs=1e-3)


def test_weight_stays_positive_when_scores_mislead() -> None:
    scores = np.array([[0.0, 1.0]] * 4)[:, :, np.newaxis]
    # The smallest weight is 0.001 of a standard deviation, and that of 0, 1, 0, 1, ... is 1/2.
    assert choice_weights(scores, np.zeros([4, 2])) == pytest.approx([0.002])


def test_says_so_when_scores_are_not_finite() -> None:
    scores = np.full([4, 2, 1], np.nan)
    with pytest.raises(FloatingPointError, match="scores must be finite.*lower its learning_rate"):
        choice_weights(scores, np.zeros([4, 2]))


def test_finds_the_planted_weights_when_choices_follow_score_and_popularity() -> None:
    random = np.random.default_rng(1)
    score, log_frequency = random.normal(size=ITEMS + 1), random.normal(size=ITEMS + 1)
    logits = (2.0 * score + 0.5 * log_frequency)[1:]
    probabilities = np.exp(logits) / np.exp(logits).sum()
    chosen = random.choice(np.arange(1, ITEMS + 1), 1000, p=probabilities).tolist()
    choices = draw_choices(
        held_out([0] * 1000, chosen, [[0]] * 1000),
        lambda inputs: tf.tile(tf.constant(score)[tf.newaxis], [len(inputs["item_index"]), 1]),
        ITEMS,
        seed=2,
    )
    both = np.stack([choices.scores, log_frequency[choices.item_index]], axis=2)
    # Some 4 standard errors of 1,000 choices.
    assert choice_weights(both, choices.offset) == pytest.approx([2.0, 0.5], abs=0.2)


def test_alternatives_are_new_to_the_user_when_drawn() -> None:
    rows = held_out([1, 2], [7, 7], [[2, 3, 5], [0, 0, 0]])
    choices = draw_choices(rows, own_parity, ITEMS, seed=0)
    assert choices.item_index.shape == (2, 1 + ALTERNATIVES)
    assert choices.item_index[:, 0].tolist() == [7, 7]
    excluded = choices.offset == UNAVAILABLE
    assert set(choices.item_index[0][excluded[0]]) == {2, 3, 5, 7}
    assert set(choices.item_index[1][excluded[1]]) == {7}
    assert not excluded[:, 0].any()
    # 1,000 draws of 24 items: each draw stands for 0.024 of an item, the chosen for itself.
    assert choices.offset[0, 0] == 0.0
    assert choices.offset[~excluded][1:] == pytest.approx(
        np.where(choices.item_index[~excluded][1:] == 7, 0.0, np.log(0.024))
    )
    assert np.array_equal(choices.scores[0], choices.item_index[0] % 2)


def test_temperature_follows_when_scores_are_scaled(
    interactions: dict[str, Any], in_memory: Callable[..., Any]
) -> None:
    data = in_memory(interactions)
    one = calibrate(own_parity, data, OPTIONS, CONTEXT)
    ten = calibrate(lambda inputs: 10.0 * own_parity(inputs), data, OPTIONS, CONTEXT)
    assert 0.0 < one < 1.0
    assert ten == pytest.approx(10.0 * one, rel=1e-3)


def test_score_outweighs_popularity_when_all_items_are_as_popular(
    interactions: dict[str, Any], in_memory: Callable[..., Any]
) -> None:
    of_score, of_popularity = calibrate_with_popularity(
        own_parity, in_memory(interactions), OPTIONS, CONTEXT
    )
    # A frequency that never varies says nothing: its weight stays where it started.
    assert of_score > 1.0
    assert of_popularity == pytest.approx(1.0, abs=1e-3)
