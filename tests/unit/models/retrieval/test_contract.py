"""What every family of retrieval models offers, on users and items of two groups."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from models import features
from models.retrieval.export import RetrievalExport
from models.retrieval.options import FAMILIES

TOWERS: dict[str, Any] = {
    "embedding_dimension": 8,
    "hidden_units": 16,
    "dropout": 0.0,
    "batch_size": 16,
    "learning_rate": 0.02,
    "max_epochs": 10,
    "patience": 10,
}
FACTORS = {"embedding_dimension": 4, "iterations": 150}
# Name, options, and whether feedback is ratings.
CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "two_tower": ({"kind": "two_tower", "negatives": {"drawn": 16}, **TOWERS}, False),
    "softmax": ({"kind": "softmax", **TOWERS}, False),
    "wals": ({"kind": "weighted_factorization", "embedding_dimension": 4}, False),
    "sgd": (
        {
            "kind": "weighted_factorization",
            "solver": "sgd",
            "embedding_dimension": 4,
            "batch_size": 16,
            "max_epochs": 10,
        },
        False,
    ),
    "rating_factorization": (
        {"kind": "rating_factorization", "regularization": 1.0, **FACTORS},
        True,
    ),
    "binary_factorization": (
        {"kind": "binary_factorization", "regularization": 1.0, **FACTORS},
        True,
    ),
    "content, ratings": (
        {"kind": "content", "hidden_units": [16], "embedding_dimension": 8, "batch_size": 16},
        True,
    ),
    "content, implicit": (
        {"kind": "content", "hidden_units": [16], "embedding_dimension": 8, "batch_size": 16},
        False,
    ),
    "item_knn": ({"kind": "item_knn", "embedding_dimension": 16}, False),
    "ease": ({"kind": "ease", "regularization": 1.0, "embedding_dimension": 16}, False),
}
# A history without ratings does not tell these what the user likes.
NEED_RATINGS_OF_THE_USER = {"rating_factorization", "binary_factorization"}
FOLD_IN_ITEMS = {"wals", "sgd", "rating_factorization", "binary_factorization"}
# These score by exact weights, which embeddings stand for; an item nobody chose has none.
LINEAR = {"item_knn", "ease"}
FOLD_IN_USERS = FOLD_IN_ITEMS | LINEAR


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(name: str, fit_planted: Callable[..., Any]) -> Any:
    """The planted users and a model of each family fitted on them, one after the other."""
    return fit_planted(*CASES[name])


def first_unseen(logits: Any, seen: Any, numbers: list[int], planted: Any) -> list[set[int]]:
    """Returns the best items that each user lacks, as many as asked for.

    Those that nobody chose are left out: the mean of their category is no worse than an answer.
    """
    scores = np.array(logits)
    scores[:, [0, *planted.cold]] = -np.inf
    np.put_along_axis(scores, np.asarray(seen), -np.inf, axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return [set(row[:number].tolist()) for row, number in zip(order, numbers, strict=True)]


def found(logits: Any, planted: Any) -> list[set[int]]:
    """Returns the best items that each planted user lacks, as many as there are answers."""
    numbers = [len(own) for own in planted.answers]
    return first_unseen(logits, planted.users[features.SEEN_INDEX], numbers, planted)


def catalogue(fitted: Any) -> tf.Tensor:
    return tf.range(fitted.model.catalogue_size + 1, dtype=tf.int64)


def test_every_kind_is_held_to_the_contract() -> None:
    assert {options["kind"] for options, _ in CASES.values()} == set(FAMILIES)


@pytest.mark.parametrize("explicit", [False, True])
def test_no_answer_is_found_when_popularity_alone_is_asked(
    explicit: bool, plant: Callable[[bool], Any]
) -> None:
    planted = plant(explicit)
    users = len(planted.answers)
    popularity = np.tile(planted.data.items().log_frequency, (users, 1))
    first = first_unseen(popularity, planted.users[features.SEEN_INDEX], [1] * users, planted)
    assert all(not one & own for one, own in zip(first, planted.answers, strict=True))


def test_the_planted_answer_comes_first_when_a_known_user_asks(fitted: Any) -> None:
    planted = fitted.planted
    assert found(fitted.model.scorer()(planted.users), planted) == planted.answers


def test_logits_are_dot_products_over_the_temperature_when_all_items_are_scored(
    name: str,
    fitted: Any,
) -> None:
    model = fitted.model
    users = model.embed_users(fitted.planted.users)
    items = model.embed_items(catalogue(fitted))
    expected = (tf.matmul(users, items, transpose_b=True) / model.temperature()).numpy()
    if name in LINEAR:
        expected[:, fitted.planted.cold] = 0.0
    logits = model.scorer()(fitted.planted.users)
    assert logits.dtype == tf.float32
    assert logits.numpy() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_directions_are_near_when_items_are_of_one_group(fitted: Any) -> None:
    cosine, group = cosines(fitted), fitted.planted.item_group
    first, second = group == 0, group == 1
    across = cosine[np.ix_(first, second)].mean()
    assert cosine[np.ix_(first, first)].mean() > across
    assert cosine[np.ix_(second, second)].mean() > across


def test_an_item_is_near_its_category_when_nobody_has_chosen_it(fitted: Any) -> None:
    planted = fitted.planted
    vectors = fitted.model.embed_items(tf.constant(planted.cold, tf.int64))
    assert np.isfinite(vectors).all()
    cosine = cosines(fitted)
    warm = ~np.isin(np.arange(len(cosine)), [0, *planted.cold])
    for group, item in enumerate(planted.cold):
        own, other = warm & (planted.item_group == group), warm & (planted.item_group != group)
        assert cosine[item, own].min() > cosine[item, other].max()


def cosines(fitted: Any) -> Any:
    """Returns the cosines of the items' directions, float32 [N+1, N+1]."""
    vectors = fitted.model.embed_items(catalogue(fitted))[:, : fitted.model.direction_size]
    unit = tf.math.l2_normalize(vectors, axis=1).numpy()
    return unit @ unit.T


def test_an_unknown_user_is_served_when_they_have_a_history(name: str, fitted: Any) -> None:
    users = fitted.planted.users
    strangers = users | {features.USER_INDEX: tf.zeros_like(users[features.USER_INDEX])}
    logits = fitted.model.scorer()(strangers)
    assert np.isfinite(logits).all()
    if name not in NEED_RATINGS_OF_THE_USER:
        assert found(logits, fitted.planted) == fitted.planted.answers


def test_a_new_user_gets_the_planted_answer_when_folded_in(name: str, fitted: Any) -> None:
    model, planted = fitted.model, fitted.planted
    if name not in FOLD_IN_USERS:
        with pytest.raises(NotImplementedError, match=f"Received: {type(model).__name__}. Give"):
            model.fold_in_user([1, 2], [5.0, 5.0])
        return
    for group in (0, 1):
        items, ratings, answers = planted.newcomer(group)
        folded = model.fold_in_user(items, ratings)
        logits = folded[np.newaxis] @ model.embed_items(catalogue(fitted)).numpy().T
        assert logits.dtype == np.float32
        assert first_unseen(logits, [items], [len(answers)], planted) == [answers]


def test_a_folded_in_user_is_a_user_like_others_when_they_have_seen_the_same(
    name: str, fitted: Any
) -> None:
    if name not in FOLD_IN_USERS - NEED_RATINGS_OF_THE_USER:
        return
    users = fitted.planted.users
    seen, history = users[features.SEEN_INDEX].numpy(), users[features.HISTORY_INDEX].numpy()
    embedded = fitted.model.embed_users(users).numpy()
    # Of user 3, at place 2, the history keeps 3 of the 7 that they have seen, at least.
    assert np.count_nonzero(seen, axis=1)[2] > np.count_nonzero(history, axis=1)[2] == 3
    for user, own in enumerate(seen):
        folded = fitted.model.fold_in_user(own[own > 0])
        assert folded == pytest.approx(embedded[user], abs=1e-4)


def test_a_new_item_pleases_the_group_that_chose_it_when_folded_in(name: str, fitted: Any) -> None:
    model, planted = fitted.model, fitted.planted
    if name not in FOLD_IN_ITEMS:
        with pytest.raises(NotImplementedError, match=f"Received: {type(model).__name__}. Train"):
            model.fold_in_item([1, 2], [5.0, 5.0])
        return
    users = model.embed_users(planted.users).numpy()
    own = len(users) // 2
    for group in (0, 1):
        folded = model.fold_in_item(*planted.new_item(group))
        logits = users @ folded
        assert logits.dtype == np.float32
        first, second = logits[:own], logits[own:]
        pleased, others = (first, second) if group == 0 else (second, first)
        assert pleased.min() > others.max()


def test_folding_in_is_refused_when_there_is_nothing_to_go_by(name: str, fitted: Any) -> None:
    if name in FOLD_IN_USERS:
        with pytest.raises(ValueError, match="item_index must name at least one. Received: none"):
            fitted.model.fold_in_user([], [])
    if name in FOLD_IN_ITEMS:
        with pytest.raises(ValueError, match="user_index must name at least one. Received: none"):
            fitted.model.fold_in_item([], [])


def test_logits_are_finite_when_nothing_is_known_of_a_user(fitted: Any) -> None:
    users = {name: tf.zeros_like(column) for name, column in fitted.planted.users.items()}
    assert np.isfinite(fitted.model.embed_users(users)).all()
    assert np.isfinite(fitted.model.scorer()(users)).all()
    nothing_seen = users | {
        features.SEEN_INDEX: tf.zeros([len(users[features.USER_INDEX]), 0], tf.int64)
    }
    assert np.isfinite(fitted.model.embed_users(nothing_seen)).all()


def test_the_unknown_item_changes_nothing_when_it_pads_what_was_seen(fitted: Any) -> None:
    users = fitted.planted.users
    padded = users | {features.SEEN_INDEX: tf.pad(users[features.SEEN_INDEX], [(0, 0), (0, 3)])}
    embedded, again = fitted.model.embed_users(users), fitted.model.embed_users(padded)
    assert again.numpy() == pytest.approx(embedded.numpy(), rel=1e-4, abs=1e-5)
    assert np.isfinite(fitted.model.embed_items(tf.zeros([1], tf.int64))).all()


def test_embeddings_are_the_same_when_the_export_is_loaded(fitted: Any, tmp_path: Path) -> None:
    model, planted = fitted.model, fitted.planted
    export = RetrievalExport(model, "kind", planted.data.user_specs())
    tf.saved_model.save(export, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    users = loaded.embed_users(planted.users)
    items = loaded.embed_items(catalogue(fitted))
    assert users.numpy() == pytest.approx(model.embed_users(planted.users).numpy(), abs=1e-5)
    assert items.numpy() == pytest.approx(model.embed_items(catalogue(fitted)).numpy(), abs=1e-5)
    assert float(loaded.temperature) == pytest.approx(float(model.temperature()))
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    objects = saved.meta_graphs[0].object_graph_def.nodes
    assert [node for node in objects if "keras" in node.user_object.identifier] == []
    operations = {
        node.op
        for function in saved.meta_graphs[0].graph_def.library.function
        for node in function.node_def
    }
    assert not operations & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def test_embeddings_are_the_same_when_the_seed_is(
    name: str, fitted: Any, fit_planted: Callable[..., Any]
) -> None:
    again = fit_planted(*CASES[name])
    for one, other in (
        (
            fitted.model.embed_users(fitted.planted.users),
            again.model.embed_users(again.planted.users),
        ),
        (fitted.model.embed_items(catalogue(fitted)), again.model.embed_items(catalogue(again))),
    ):
        assert other.numpy() == pytest.approx(one.numpy(), rel=1e-4, abs=1e-5)


def test_ratings_are_in_range_and_tell_groups_apart_when_they_are_predicted(
    name: str, fitted: Any
) -> None:
    model, planted = fitted.model, fitted.planted
    assert model.predicts_ratings == (CASES[name][1] and name != "binary_factorization")
    if not model.predicts_ratings:
        return
    items = tf.tile(catalogue(fitted)[tf.newaxis], [len(planted.answers), 1])
    ratings = model.predict_rating(planted.users, items).numpy()
    assert ratings.shape == (16, 19)
    assert ratings.min() >= 1.0
    assert ratings.max() <= 5.0
    for user, answers in enumerate(planted.answers):
        others = ratings[user, planted.item_group == 1 - user // 8]
        assert ratings[user, list(answers)].min() > others.max()


def test_embeddings_change_when_trained_weights_are_overwritten(fitted: Any) -> None:
    model, users = fitted.model, fitted.planted.users
    before = [weight.numpy() for weight in model.trainable_variables]
    assert before
    logits = tf.matmul(
        model.embed_users(users), model.embed_items(catalogue(fitted)), transpose_b=True
    )
    try:
        for weight in model.trainable_variables:
            weight.assign(tf.random.stateless_normal(weight.shape, [1, 2]))
        noise = tf.matmul(
            model.embed_users(users), model.embed_items(catalogue(fitted)), transpose_b=True
        )
        assert noise.numpy() != pytest.approx(logits.numpy(), rel=0.1)
    finally:
        for weight, value in zip(model.trainable_variables, before, strict=True):
            weight.assign(value)
