import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.losses import listwise_softmax, log_expected_count, sampled_softmax

logits = st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=12)


def test_expected_counts_are_those_of_the_mixture_when_worked_out() -> None:
    shares = tf.math.log([0.5, 0.3, 0.2])
    # 10 by popularity and 6 uniformly over 3 items: 10*0.5 + 2, 10*0.3 + 2, 10*0.2 + 2.
    counts = tf.exp(log_expected_count(shares, 10, 6, 3))
    np.testing.assert_allclose(counts, [7.0, 5.0, 4.0], rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    weights=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20),
    drawn=st.integers(0, 50),
    uniform=st.integers(1, 50),
)
def test_expected_counts_add_up_to_the_draws_when_over_the_catalogue(
    weights: list[float], drawn: int, uniform: int
) -> None:
    shares = np.array(weights, np.float32) / np.sum(weights)
    counts = tf.exp(log_expected_count(tf.math.log(shares), drawn, uniform, len(shares)))
    assert float(tf.reduce_sum(counts)) == pytest.approx(drawn + uniform, rel=1e-4)


@settings(deadline=None, max_examples=40)
@given(logits=logits)
def test_loss_is_the_full_softmax_when_each_item_is_sampled_once(logits: list[float]) -> None:
    row = tf.constant([logits])
    hits = tf.constant([[True] + [False] * (len(logits) - 1)])  # the first is the positive
    loss = sampled_softmax(row[:, 0], row, tf.zeros([len(logits)]), hits)
    full = tf.nn.sparse_softmax_cross_entropy_with_logits([0], row)
    np.testing.assert_allclose(loss, full, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(logits=logits, repeats=st.integers(2, 5))
def test_loss_is_the_full_softmax_when_every_negative_is_expected_and_drawn_n_times(
    logits: list[float], repeats: int
) -> None:
    negatives = tf.constant([logits[1:] * repeats])
    counts = tf.fill([negatives.shape[1]], np.log(np.float32(repeats)))
    loss = sampled_softmax(
        tf.constant(logits[:1]), negatives, counts, tf.zeros_like(negatives, tf.bool)
    )
    full = tf.nn.sparse_softmax_cross_entropy_with_logits([0], tf.constant([logits]))
    np.testing.assert_allclose(loss, full, rtol=1e-4, atol=1e-5)


def test_loss_is_zero_when_every_negative_is_the_positive() -> None:
    hits = tf.constant([[True, True]])
    loss = sampled_softmax(tf.constant([-3.0]), tf.constant([[9.0, 9.0]]), tf.zeros([2]), hits)
    # Only the positive is left in the sum: -ln(1).
    assert loss.numpy().tolist() == [0.0]


def test_loss_is_worked_out_by_hand_when_rows_differ() -> None:
    positive = tf.math.log([2.0, 1.0])
    negatives = tf.math.log([[4.0, 6.0], [4.0, 6.0]])
    log_counts = tf.math.log([2.0, 3.0])  # so the negatives weigh 4/2 and 6/3
    hits = tf.constant([[False, False], [False, True]])
    loss = sampled_softmax(positive, negatives, log_counts, hits)
    # Row 0: -ln(2 / (2 + 2 + 2)); row 1, second negative removed: -ln(1 / (1 + 2)).
    np.testing.assert_allclose(loss, [np.log(3.0), np.log(3.0)], rtol=1e-6)


def test_listwise_loss_is_worked_out_by_hand_when_several_are_chosen() -> None:
    # Weights 1, 2, 3 and 4, of which the last is not offered: 6 in all.
    logits = tf.math.log([[1.0, 2.0, 3.0, 4.0]] * 3)
    offered = tf.constant([[True, True, True, False]] * 3)
    chosen = tf.constant([[True, True, False, False], [False] * 4, [False, False, False, True]])
    loss = listwise_softmax(logits, chosen, offered)
    # -ln(1/6) - ln(2/6); nothing is chosen; what is chosen is not offered.
    np.testing.assert_allclose(loss, [np.log(6.0) + np.log(3.0), 0.0, 0.0], rtol=1e-6)


def test_listwise_loss_is_finite_when_nothing_is_offered() -> None:
    logits = tf.Variable([[1.0, 2.0]])
    nothing = tf.constant([[False, False]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(listwise_softmax(logits, nothing, nothing))
    assert float(loss) == 0.0
    assert tape.gradient(loss, logits).numpy().tolist() == [[0.0, 0.0]]


def test_listwise_loss_moves_only_what_is_offered_when_differentiated() -> None:
    logits = tf.Variable([[0.0, 0.0, 0.0]])
    chosen = tf.constant([[True, False, False]])
    with tf.GradientTape() as tape:
        loss = listwise_softmax(logits, chosen, tf.constant([[True, True, False]]))
    # The softmax of two equals less the choice: 1/2 - 1, 1/2, and nothing.
    np.testing.assert_allclose(tape.gradient(loss, logits), [[-0.5, 0.5, 0.0]], atol=1e-6)
