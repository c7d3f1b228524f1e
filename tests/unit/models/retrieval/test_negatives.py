from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.negatives import Draw, NegativeSampler
from models.retrieval.options import NegativeOptions

SHARES = [0.5, 0.3, 0.2]
NO_HISTORY = tf.zeros([2, 1], tf.int64)


def sampler(kind: str, shares: list[float] = SHARES, **numbers: int) -> NegativeSampler:
    log_frequency = np.log([1.0, *shares]).astype(np.float32)
    return NegativeSampler(log_frequency, NegativeOptions(kind=kind, **numbers))


def drawn(kind: str, number: int, history: Any = NO_HISTORY, **numbers: Any) -> Draw:
    positive = tf.constant([1, 3], tf.int64)
    return sampler(kind, drawn=number, **numbers).draw(positive, history)


def test_negatives_are_the_other_rows_items_when_in_batch() -> None:
    draw = drawn("in_batch", 100)
    assert draw.item_index.numpy().tolist() == [1, 3]
    assert draw.excluded.numpy().tolist() == [[True, False], [False, True]]
    # 2 rows by popularity: 2 * 0.5 and 2 * 0.2.
    np.testing.assert_allclose(np.exp(draw.log_counts), [1.0, 0.4], rtol=1e-5)


def test_negatives_are_both_when_mixed() -> None:
    draw = drawn("mixed", 6)
    assert draw.item_index.shape == (8,)
    assert draw.item_index.numpy()[:2].tolist() == [1, 3]
    # 2 by popularity and 6 uniformly over 3 items: 2*0.5 + 2, 2*0.3 + 2, 2*0.2 + 2.
    expected = np.array([3.0, 2.6, 2.4])[draw.item_index.numpy() - 1]
    np.testing.assert_allclose(np.exp(draw.log_counts), expected, rtol=1e-5)
    np.testing.assert_array_equal(draw.excluded[0], draw.item_index == 1)


@pytest.mark.parametrize(("kind", "shares"), [("uniform", [1 / 3] * 3), ("popularity", SHARES)])
def test_items_come_as_often_as_counted_when_drawn_from_the_catalogue(
    kind: str, shares: list[float]
) -> None:
    tf.random.set_seed(5)
    number = 30_000
    draw = drawn(kind, number)
    index = draw.item_index.numpy()[2:]
    # The standard deviation of a share is at most sqrt(0.25 / 30,000) = 0.003.
    np.testing.assert_allclose(np.bincount(index, minlength=4)[1:] / number, shares, atol=0.012)
    expected = np.log(number * np.array(shares))[index - 1]
    np.testing.assert_allclose(draw.log_counts, expected, rtol=1e-4)


def test_users_own_items_are_no_negatives_when_hard() -> None:
    draw = drawn("hard", 100, history=tf.constant([[2, 0], [0, 0]], tf.int64))
    negatives = draw.item_index.numpy()[2:]
    assert sorted(negatives) == [1, 2, 3]  # 100 draws of 3 items, each kept once
    excluded = {
        item: column for item, column in zip(negatives, draw.excluded.numpy().T, strict=True)
    }
    # Row 0 chose item 1 and had item 2; row 1 chose item 3.
    assert {item: column.tolist() for item, column in excluded.items()} == {
        1: [True, False],
        2: [True, False],
        3: [False, True],
    }


def test_loss_is_worked_out_by_hand_when_the_hardest_are_chosen() -> None:
    # Item vectors ln 6 (chosen), then ln 5, ln 2, ln 4 and ln 3; the user's is 1.
    items = tf.math.log([[6.0], [5.0], [2.0], [4.0], [3.0]])
    excluded = tf.constant([[True, False, False, False]])
    draw = Draw(tf.constant([1, 2, 3, 4, 5]), tf.fill([4], 9.0), excluded)
    loss = sampler("hard", hardest=2).losses(tf.constant([[1.0]]), items, draw)
    # The first negative is no wrong answer; 4 and 3 are the hardest then: -ln(6 / (6 + 4 + 3)).
    np.testing.assert_allclose(loss, [np.log(13.0 / 6.0)], rtol=1e-5)


def test_loss_is_finite_when_no_negative_is_left() -> None:
    draw = Draw(tf.constant([1, 1]), tf.zeros([1]), tf.constant([[True]]))
    for kind in ("uniform", "hard"):
        loss = sampler(kind).losses(tf.constant([[1.0]]), tf.constant([[2.0], [2.0]]), draw)
        assert loss.numpy().tolist() == [0.0]


def test_loss_is_worked_out_by_hand_when_corrected_and_cooled() -> None:
    items = tf.math.log([[4.0], [16.0], [36.0]])
    draw = Draw(tf.constant([1, 2, 3]), tf.math.log([2.0, 3.0]), tf.constant([[False, False]]))
    loss = sampler("uniform").losses(tf.constant([[1.0]]), items, draw, temperature=2.0)
    # Halved logarithms are roots: -ln(2 / (2 + 4/2 + 6/3)).
    np.testing.assert_allclose(loss, [np.log(3.0)], rtol=1e-5)


@pytest.mark.parametrize("kind", ["in_batch", "mixed", "uniform", "popularity"])
def test_gradient_is_that_of_the_full_softmax_when_many_are_drawn(kind: str) -> None:
    tf.random.set_seed(5)
    shares = [0.4, 0.3, 0.2, 0.1]
    vectors = tf.math.log([[1.0], [2.0], [1.0], [4.0], [1.0]])  # row 0 is the unknown item
    negatives = sampler(kind, shares, drawn=4000)
    # In a batch the other rows' items are the draw: as many of each as its share says.
    positive = tf.repeat(tf.constant([4, 3, 2, 1], tf.int64), [400, 800, 1200, 1600])
    draw = negatives.draw(positive, tf.zeros([4000, 1], tf.int64))
    user = tf.Variable([[1.0]])
    with tf.GradientTape() as tape:
        users = tf.repeat(user, 4000, axis=0)
        loss = negatives.losses(users, tf.gather(vectors, draw.item_index), draw)[0]
    # The first row chose item 4. The full softmax is 2/8, 1/8, 4/8, 1/8 by item; here 4 is 1/8,
    # so the gradient is 2/8 ln 2 + 4/8 ln 4 + 2/8 ln 1 - ln 1 = 0.25 * 0.6931 + 0.5 * 1.3863.
    np.testing.assert_allclose(tape.gradient(loss, user), [[0.8664]], atol=0.04)
