"""Profiles of strangers, against those of a user with the same history."""

import numpy as np
import tensorflow as tf

from models import features
from models.strangers import StrangerProfiles

# Item 1 is of the first category, item 2 of both, item 3 of none.
CATEGORIES = tf.Variable([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])


def made(histories: list[list[int]], stranger: list[bool]) -> dict[str, tf.Tensor]:
    history = tf.constant(histories, tf.int64)
    rows = len(histories)
    inputs = {
        features.HISTORY_INDEX: history,
        features.SEEN_INDEX: history,
        features.USER_CATEGORY_SHARE: tf.fill([rows, 2], 0.25),
        features.USER_STATISTICS: tf.fill([rows, 2], 7.0),
    }
    return StrangerProfiles(CATEGORIES, -1.0, 2.0).of(inputs, tf.constant(stranger))


def test_a_stranger_has_the_profile_of_the_history_when_one_is_told() -> None:
    found = made([[1, 2, 3, 0]], [True])
    # Of three categories in all, two are the first.
    np.testing.assert_allclose(found[features.USER_CATEGORY_SHARE], [[2 / 3, 1 / 3]], rtol=1e-6)
    # Three interactions; the mean rating stays.
    expected = [[-1.0 + 2.0 * np.log(4.0), 7.0]]
    np.testing.assert_allclose(found[features.USER_STATISTICS], expected, rtol=1e-6)


def test_nothing_changes_when_a_user_is_known_or_tells_nothing() -> None:
    found = made([[1, 2], [0, 0]], [False, True])
    np.testing.assert_array_equal(found[features.USER_CATEGORY_SHARE], np.full([2, 2], 0.25))
    np.testing.assert_array_equal(found[features.USER_STATISTICS], np.full([2, 2], 7.0))


def test_the_share_is_empty_when_the_history_has_no_category() -> None:
    found = made([[3, 0]], [True])
    np.testing.assert_array_equal(found[features.USER_CATEGORY_SHARE], np.zeros([1, 2]))
