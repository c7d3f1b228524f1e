import numpy as np
import tensorflow as tf

from models.reranking.adjustments import fresh_share, relative_popularity, worth


def test_freshness_halves_when_a_half_life_passes() -> None:
    age = tf.constant([[0.0, 30.0, 60.0, 300.0, -7.0, np.nan]])
    # 2^0, 2^-1, 2^-2, 2^-10; what is yet to come is new, what is unknown is old.
    expected = [[1.0, 0.5, 0.25, 2.0**-10, 1.0, 0.0]]
    np.testing.assert_allclose(fresh_share(age, 30.0), expected, rtol=1e-6)


def test_worth_is_two_standard_deviations_when_padding_is_left_out() -> None:
    relevance = tf.constant([[1.0, 5.0, -1e9], [2.0, 2.0, 2.0], [7.0, 8.0, 9.0]])
    valid = tf.constant([[True, True, False], [True, True, True], [False, False, False]])
    # Of 1 and 5: 2, twice; of equals, and of nothing: 0.
    assert worth(relevance, valid).numpy().tolist() == [[4.0], [0.0], [0.0]]


def test_popularity_is_relative_to_the_row_when_rows_differ() -> None:
    popularity = tf.constant([[1.0, 3.0, 100.0], [50.0, 30.0, 40.0]])
    valid = tf.constant([[True, True, False], [True, True, True]])
    # Mean 2, deviation 1; mean 40, deviation sqrt(200 / 3) = 8.165: 10 / 8.165 = 1.2247.
    expected = [[-1.0, 1.0, 0.0], [1.2247449, -1.2247449, 0.0]]
    np.testing.assert_allclose(relative_popularity(popularity, valid), expected, rtol=1e-6)


def test_popularity_says_nothing_when_all_items_have_the_same() -> None:
    equal = tf.fill([1, 7], 0.1)
    np.testing.assert_allclose(relative_popularity(equal, equal > 0.0), np.zeros([1, 7]), atol=1e-3)
