import re
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from serving.errors import RequestError
from serving.servable import Servable

_USERS = tf.make_tensor_proto(["a", "b"])
_K = tf.make_tensor_proto(2)


def _invalid_tensor(**fields: object) -> TensorProto:
    tensor = tf.make_tensor_proto(["a"])
    tensor.MergeFrom(TensorProto(**fields))
    return tensor


def test_outputs_are_tensors_when_request_fits(servable: Servable) -> None:
    outputs = servable.predict("serving_default", {"user_id": _USERS, "k": _K})
    # The toy repeats each user k times, and scores everything 0.
    assert tf.make_ndarray(outputs["item_id"]).tolist() == [[b"a", b"a"], [b"b", b"b"]]
    np.testing.assert_array_equal(tf.make_ndarray(outputs["score"]), np.zeros((2, 2), np.float32))


def test_default_signature_answers_when_none_is_named(servable: Servable) -> None:
    assert sorted(servable.predict("", {"user_id": _USERS, "k": _K})) == ["item_id", "score"]


def test_batch_may_be_empty_when_shape_allows_it(servable: Servable) -> None:
    users = tf.make_tensor_proto(np.array([], dtype=object), dtype=tf.string, shape=[0])
    outputs = servable.predict("", {"user_id": users, "k": _K})
    assert tf.make_ndarray(outputs["item_id"]).shape == (0, 2)


def test_only_wanted_outputs_return_when_filtered(servable: Servable) -> None:
    assert list(servable.predict("", {"user_id": _USERS, "k": _K}, ["score"])) == ["score"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"user_id": _USERS}, "input size does not match signature: 1!=2 .*required: {k}."),
        (
            {"user_id": _USERS, "k": _K, "x": _K},
            "input size does not match signature: 3!=2 .*Sent extra: {x}",
        ),
        (
            {"user": _USERS, "k": _K},
            "input tensor alias not found in signature: user. "
            "Inputs expected to be in the set {k,user_id}.",
        ),
        (
            {"user_id": _USERS, "k": tf.make_tensor_proto(2, tf.int64)},
            "input k must be int32. Received: int64",
        ),
        (
            {"user_id": _USERS, "k": TensorProto(dtype=999)},
            "input k must be int32. Received: no dtype",
        ),
        (
            {"user_id": _USERS, "k": tf.make_tensor_proto([2])},
            r"input k must have shape \(\). Received: \[1\]",
        ),
        (
            {"user_id": tf.make_tensor_proto("a"), "k": _K},
            r"input user_id must have shape \(None,\). Received: \[\]",
        ),
        (
            {"user_id": _invalid_tensor(tensor_shape={"unknown_rank": True}), "k": _K},
            "input user_id must state its shape",
        ),
        (
            {"user_id": TensorProto(dtype=7, tensor_shape={"dim": [{"size": -1}]}), "k": _K},
            r"must have shape \(None,\). Received: \[-1\]",
        ),
        (
            {"user_id": TensorProto(dtype=7, tensor_shape={"dim": [{"size": 2**40}]}), "k": _K},
            "input user_id must have at most 16777216 elements. Received: 1099511627776.",
        ),
        (
            {"user_id": _USERS, "k": TensorProto(dtype=3, tensor_content=b"123")},
            "tensor parsing error: k",
        ),
        ({"user_id": _USERS, "k": tf.make_tensor_proto(0)}, "^k must be at least 1.$"),
        ({"user_id": _USERS, "k": tf.make_tensor_proto(11)}, "^k must be at most 10.$"),
    ],
)
def test_request_is_refused_when_it_does_not_fit(
    servable: Servable, inputs: dict[str, TensorProto], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        servable.predict("serving_default", inputs)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["rank"], "output tensor alias not found in signature: rank Outputs expected"),
        (["score", "score"], "duplicate output tensor alias: score"),
    ],
)
def test_request_is_refused_when_filter_is_wrong(
    servable: Servable, wanted: list[str], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        servable.predict("", {"user_id": _USERS, "k": _K}, wanted)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_request_is_refused_when_signature_is_unknown(servable: Servable) -> None:
    message = re.escape('Serving signature key "rank" not found.')
    with pytest.raises(RequestError, match=message) as caught:
        servable.predict("rank", {})
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_signatures_are_described_when_loaded(servable: Servable) -> None:
    definition = servable.signature_defs["serving_default"]
    assert sorted(definition.inputs) == ["k", "user_id"]
    assert sorted(definition.outputs) == ["item_id", "score"]


def test_loading_fails_when_no_graph_is_for_serving(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="must have a graph tagged 'serve'"):
        Servable(tmp_path, 1)
