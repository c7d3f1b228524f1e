from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.retrieval.export import RetrievalExport
from models.retrieval.factorization import Descent
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import FitContext
from models.retrieval.options import RatingFactorizationOptions
from models.retrieval.rating_factorization import (
    RatingFactorization,
    RatingFactors,
    factorize_ratings,
    fit,
    item_means,
)

# Rows are items, columns users; -1 is not rated.
TEXTBOOK = np.array(
    [[5, 5, 0, 0], [5, -1, -1, 0], [-1, 4, 0, -1], [0, 0, 5, 4], [0, 0, 5, 0]], np.float32
)
MEANS = [2.5, 2.5, 2.0, 2.25, 1.25]
CONTEXT = FitContext(seed=3, rating_range=(0.5, 5.0), log_folder="")


def rated(matrix: Any) -> InteractionTable:
    """The entries of items by users that are not negative."""
    item, user = np.nonzero(matrix >= 0)
    values = matrix[item, user].astype(np.float32)
    return InteractionTable(user + 1, item + 1, values, matrix.shape[1], matrix.shape[0])


@pytest.fixture(scope="module")
def textbook() -> RatingFactors:
    return factorize_ratings(rated(TEXTBOOK), Descent(2, 0.01, 0.1, 300, seed=1))


@pytest.fixture(scope="module")
def planted() -> InteractionTable:
    """Half of the ratings of 60 users for 80 items, made of 3 factors and the items' means."""
    random = np.random.default_rng(0)
    users, items = random.normal(size=(60, 3)), random.normal(size=(80, 3))
    ratings = 3.0 + items @ users.T / 3.0 + random.normal(size=(80, 1)) / 2.0
    ratings = np.clip(np.round(2.0 * ratings) / 2.0, 0.5, 5.0)
    return rated(np.where(random.random((80, 60)) < 0.5, ratings, -1.0))


@pytest.fixture(scope="module")
def model(interactions: dict[str, Any], in_memory: Callable[..., Any]) -> RatingFactorization:
    options = RatingFactorizationOptions(embedding_dimension=4, iterations=60)
    fitted = fit(in_memory(interactions), options, CONTEXT)
    assert isinstance(fitted, RatingFactorization)
    return fitted


def known(user_inputs: Callable[..., dict[str, tf.Tensor]], users: list[int]) -> Any:
    inputs = user_inputs([[] for _ in users])
    return inputs | {features.USER_INDEX: tf.constant(users, tf.int64)}


def test_prediction_is_the_dot_product_when_factors_are_given() -> None:
    zero = np.zeros([1, 2], np.float32)
    learned = RatingFactors(
        user=np.concatenate([zero, [[5.0, 0.0]]]).astype(np.float32),
        user_bias=np.zeros(2, np.float32),
        item=np.concatenate([zero, zero, zero, [[0.99, 0.0]]]).astype(np.float32),
        mean=np.zeros(4, np.float32),
        regularization=1.0,
        losses=[],
    )
    # 5 * 0.99 + 0 * 0 + 0 + 0 = 4.95
    assert learned.predict(np.array([1]), np.array([3])) == pytest.approx([4.95])


def test_means_are_those_of_the_rated_when_some_are_not() -> None:
    # (5+5+0+0)/4, (5+0)/2, (4+0)/2, (0+0+5+4)/4, (0+0+5+0)/4
    assert item_means(rated(TEXTBOOK))[1:].tolist() == MEANS


def test_mean_is_that_of_all_when_an_item_has_none() -> None:
    table = InteractionTable(
        np.array([1, 1]), np.array([1, 3]), np.array([1.0, 4.0], np.float32), 1, 3
    )
    assert item_means(table).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_prediction_is_the_items_mean_when_the_user_has_no_rating(textbook: RatingFactors) -> None:
    unknown = np.zeros(5, np.int64)
    assert textbook.predict(unknown, np.arange(1, 6)) == pytest.approx(MEANS)


def test_ratings_come_back_when_the_table_is_small(textbook: RatingFactors) -> None:
    table = rated(TEXTBOOK)
    predicted = textbook.predict(table.user_index, table.item_index)
    assert np.abs(predicted - table.rating).mean() < 0.1


def test_loss_falls_five_hundredfold_when_ratings_have_structure(planted: InteractionTable) -> None:
    losses = factorize_ratings(planted, Descent(100, 1.0, 0.1, 200, seed=1)).losses
    assert len(losses) == 200
    assert losses[0] / losses[180] >= 500.0


def test_new_user_gets_ratings_back_when_trained_along(planted: InteractionTable) -> None:
    own = np.flatnonzero(planted.user_index == 60)[:13]
    kept = np.concatenate([np.flatnonzero(planted.user_index < 60), own])
    item, rating = planted.item_index[own], planted.rating[own]
    table = InteractionTable(
        planted.user_index[kept], planted.item_index[kept], planted.rating[kept], 60, 80
    )
    learned = factorize_ratings(table, Descent(100, 1.0, 0.1, 200, seed=1))
    error = np.abs(learned.predict(np.full(13, 60), item) - rating).mean()
    # What the items' means alone leave is several times as much.
    assert error <= 0.2 < np.abs(learned.mean[item] - rating).mean() / 2.0


def test_fold_in_agrees_with_training_when_the_user_was_there(planted: InteractionTable) -> None:
    learned = factorize_ratings(planted, Descent(8, 1.0, 0.05, 800, seed=1))
    own = planted.user_index == 7
    w, b = learned.fold_in_user(planted.item_index[own], planted.rating[own])
    # Given x, the objective is convex in w and b: where training has converged, it is solved.
    np.testing.assert_allclose(w, learned.user[7], atol=0.02)
    assert b == pytest.approx(learned.user_bias[7], abs=0.02)


def test_fold_in_agrees_with_training_when_the_item_was_there(planted: InteractionTable) -> None:
    learned = factorize_ratings(planted, Descent(8, 1.0, 0.05, 800, seed=1))
    own = planted.item_index == 9
    x, mean = learned.fold_in_item(planted.user_index[own], planted.rating[own])
    np.testing.assert_allclose(x, learned.item[9], atol=0.02)
    assert mean == pytest.approx(float(planted.rating[own].mean()))


def test_fold_in_says_so_when_there_are_no_ratings(model: RatingFactorization) -> None:
    with pytest.raises(ValueError, match="a rating.*for each of item_index. Received: None"):
        model.fold_in_user([1, 2])
    with pytest.raises(ValueError, match="a rating.*for each of user_index. Received: None"):
        model.fold_in_item([1, 2])


def test_folded_in_embeddings_are_what_was_solved_when_calibrated() -> None:
    # Both users and both items are of one factor, 1 and -1; items are rated 3 on average.
    one = np.array([[0.0], [1.0], [-1.0]], np.float32)
    mean = np.array([3.0, 3.0, 3.0], np.float32)
    learned = RatingFactors(one, np.zeros(3, np.float32), one, mean, 0.0, [])
    model = RatingFactorization(learned, (1.0, 5.0))
    model.score_weight.assign(2.0)
    model.popularity_weight = 0.5
    model.total_count = 6.0
    # Ratings less the mean are 2 and 0: w + b = 2 and -w + b = 0, so w = 1; a user's bias is left
    # out of logits.
    assert model.fold_in_user([1, 2], [5.0, 3.0]) == pytest.approx([1.0, 1.0], abs=1e-5)
    # The mean is 3, what is left 1 and -1, so x = 1: twice that, and twice 3 + 0.5 ln(3/6), as two
    # interactions count as 3 of 6.
    expected = [2.0, 6.0 + 0.5 * np.log(0.5)]
    assert model.fold_in_item([1, 2], [4.0, 2.0]) == pytest.approx(expected, abs=1e-5)


def test_a_folded_in_item_is_as_popular_as_others_when_as_many_rated_it(
    model: RatingFactorization, interactions: dict[str, Any], in_memory: Callable[..., Any]
) -> None:
    table = in_memory(interactions).table()
    own = table.item_index == 3
    folded = model.fold_in_item(table.user_index[own], table.rating[own])
    share = (own.sum() + 1) / (len(own) + 24)
    mean = table.rating[own].mean()
    expected = model.score_weight.numpy() * mean + model.popularity_weight * np.log(share)
    assert folded[-1] == pytest.approx(expected, rel=1e-5)
    assert model.popularity_weight > 0.0


def test_logits_are_score_and_popularity_when_calibrated(
    model: RatingFactorization, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    inputs = known(user_inputs, [1, 2])
    items = model.embed_items(tf.range(25, dtype=tf.int64))
    logits = tf.matmul(model.embed_users(inputs), items, transpose_b=True).numpy()
    every = np.arange(25)
    scores = np.stack([model.learned.predict(np.full(25, user), every) for user in (1, 2)])
    scores -= model.learned.user_bias[1:3, np.newaxis]
    # All items are as frequent, so what popularity adds is the same for all.
    rest = logits - model.score_weight.numpy() * scores
    np.testing.assert_allclose(rest, np.full_like(rest, rest[0, 0]), atol=1e-4)
    assert items.shape == (25, model.direction_size + 1)


def test_rating_stays_in_range_when_predicted(
    model: RatingFactorization, user_inputs: Callable[..., dict[str, tf.Tensor]]
) -> None:
    model_inputs = known(user_inputs, [0, 1, 2])
    ratings = model.predict_rating(model_inputs, tf.constant([[0, 1, 2]] * 3, tf.int64)).numpy()
    assert ratings.shape == (3, 3)
    assert ratings.min() >= 0.5
    assert ratings.max() <= 5.0
    # Users of odd number rated items of odd number 5, those of even number even ones 4.
    np.testing.assert_allclose(ratings[0, 1:], [5.0, 4.0], atol=1e-5)
    assert ratings[1, 1] == pytest.approx(5.0, abs=0.3)
    assert ratings[2, 2] == pytest.approx(4.0, abs=0.3)


def test_embeddings_are_the_same_when_saved(
    model: RatingFactorization,
    interactions: dict[str, Any],
    in_memory: Callable[..., Any],
    user_inputs: Callable[..., dict[str, tf.Tensor]],
    tmp_path: Any,
) -> None:
    specs = in_memory(interactions).user_specs()
    tf.saved_model.save(RetrievalExport(model, "rating_factorization", specs), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    inputs = known(user_inputs, [0, 5])
    np.testing.assert_allclose(loaded.embed_users(inputs), model.embed_users(inputs))
    every = tf.range(25, dtype=tf.int64)
    np.testing.assert_allclose(loaded.embed_items(every), model.embed_items(every))
    assert np.isfinite(loaded.embed_items(every)).all()


def test_says_so_when_feedback_is_implicit(
    interactions: dict[str, Any], in_memory: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match="needs ratings. Received: implicit feedback. Choose"):
        fit(in_memory(interactions), RatingFactorizationOptions(), FitContext(3, None, ""))
