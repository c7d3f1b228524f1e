"""What every family of retrieval models offers, on users and items of two groups."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from models import features
from models.retrieval.export import save_retrieval
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


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(name: str, fit_planted: Callable[..., Any]) -> Any:
    """The planted users and a model of each family fitted on them, one after the other."""
    return fit_planted(*CASES[name])


def first_unseen(logits: tf.Tensor, users: dict[str, tf.Tensor]) -> list[int]:
    scores = logits.numpy()
    scores[:, 0] = -np.inf
    np.put_along_axis(scores, users[features.SEEN_INDEX].numpy(), -np.inf, axis=1)
    return scores.argmax(axis=1).tolist()


def catalogue(fitted: Any) -> tf.Tensor:
    return tf.range(fitted.model.catalogue_size + 1, dtype=tf.int64)


def test_every_kind_is_held_to_the_contract() -> None:
    assert {options["kind"] for options, _ in CASES.values()} == set(FAMILIES)


def test_the_planted_answer_comes_first_when_a_known_user_asks(fitted: Any) -> None:
    users = fitted.planted.users
    assert first_unseen(fitted.model.scorer()(users), users) == fitted.planted.answer.tolist()


def test_logits_are_dot_products_over_the_temperature_when_all_items_are_scored(
    fitted: Any,
) -> None:
    model = fitted.model
    users = model.embed_users(fitted.planted.users)
    items = model.embed_items(catalogue(fitted))
    expected = tf.matmul(users, items, transpose_b=True) / model.temperature()
    logits = model.scorer()(fitted.planted.users)
    assert logits.dtype == tf.float32
    assert logits.numpy() == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-3)


def test_directions_are_near_when_items_are_of_one_group(fitted: Any) -> None:
    vectors = fitted.model.embed_items(catalogue(fitted))[1:, : fitted.model.direction_size]
    unit = tf.math.l2_normalize(vectors, axis=1).numpy()
    cosine = unit @ unit.T
    half = len(cosine) // 2
    assert cosine[:half, :half].mean() > cosine[:half, half:].mean()
    assert cosine[half:, half:].mean() > cosine[:half, half:].mean()


def test_an_unknown_user_is_served_when_they_have_a_history(name: str, fitted: Any) -> None:
    users = fitted.planted.users
    strangers = users | {features.USER_INDEX: tf.zeros_like(users[features.USER_INDEX])}
    logits = fitted.model.scorer()(strangers)
    assert np.isfinite(logits).all()
    if name not in NEED_RATINGS_OF_THE_USER:
        assert first_unseen(logits, strangers) == fitted.planted.answer.tolist()


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
    save_retrieval(model, "kind", str(tmp_path), planted.data.user_specs())
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
    items = tf.tile(catalogue(fitted)[tf.newaxis], [len(planted.answer), 1])
    ratings = model.predict_rating(planted.users, items).numpy()
    assert ratings.shape == (16, 17)
    assert ratings.min() >= 1.0
    assert ratings.max() <= 5.0
    answer = np.take_along_axis(ratings, planted.answer[:, np.newaxis], axis=1)[:, 0]
    own = (np.arange(16)[:, np.newaxis] // 8) == (np.arange(16) // 8)
    others = np.where(own, np.nan, ratings[:, 1:])
    assert (answer > np.nanmax(others, axis=1)).all()


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
