"""What the servable refuses, and requests for nobody."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf


@pytest.mark.parametrize("k", [0, -1, 101])
@pytest.mark.parametrize(
    "signature", ["recommend", "recommend_with_context", "retrieve", "similar_items"]
)
def test_request_is_refused_when_k_is_out_of_range(built: Any, signature: str, k: int) -> None:
    ids = {"item_id": [b"i00"]} if signature == "similar_items" else {"user_id": [b"u00"]}
    ask = {"recommend_with_context": lambda: built.ask_with_context(b"u00", k)}.get(
        signature, lambda: built.ask(signature, k=k, **ids)
    )
    message = f"k must be between 1 and 100. Received:.*{k}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask()


def test_request_is_refused_when_more_items_are_ranked_than_allowed(built: Any) -> None:
    message = "item_id must have at most 50 columns. Received:.*51"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        built.ask("rank", user_id=[b"u00"], item_id=[[b"i00"] * 51])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    # TensorFlow puts each part of a message into brackets of its own.
    [
        ("history_item_id", [[b"i01"], [b"i02"]], r"as many rows as user_id,\W+1\W+Received:\W+2"),
        ("exclude_category", [[b"even"]] * 3, r"as many rows as user_id,\W+1\W+Received:\W+3"),
        ("diversity", [0.0, 0.0], r"as many rows as user_id,\W+1\W+Received:\W+2"),
        ("exclude_item_id", [[b"i01"] * 51], r"at most 50 columns. Received:\W+51"),
    ],
)
def test_request_is_refused_when_an_input_does_not_fit(
    built: Any, name: str, value: Any, message: str
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must have {message}"):
        built.ask_with_context(b"u00", 3, **{name: value})


@pytest.mark.parametrize("signature", ["recommend", "retrieve", "embed_users"])
def test_request_is_refused_when_the_batch_is_too_large(built: Any, signature: str) -> None:
    k = {} if signature == "embed_users" else {"k": 3}
    message = r"user_id must have at most 10 rows. Received:\W+11"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        built.ask(signature, user_id=[b"u00"] * 11, **k)


@pytest.mark.parametrize("signature", ["recommend", "retrieve", "similar_items", "embed_users"])
def test_answer_is_empty_when_the_batch_is(built: Any, signature: str) -> None:
    ids = "item_id" if signature == "similar_items" else "user_id"
    k = {} if signature == "embed_users" else {"k": 7}
    found = built.ask(signature, **{ids: np.zeros([0], dtype=np.str_)}, **k)
    if k:
        assert found["item_id"].shape == (0, 7)
    else:
        assert found["embedding"].shape[0] == 0


@pytest.mark.parametrize("strength", ["diversity", "freshness"])
@pytest.mark.parametrize("value", [-2.0, -0.1, 1.5, float("nan")])
def test_request_is_refused_when_a_strength_is_no_share(
    built: Any, strength: str, value: float
) -> None:
    message = f"{strength} must be between 0 and 1, or -1 for the configured default. Received:"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        built.ask_with_context(b"u00", 3, **{strength: [value]})
