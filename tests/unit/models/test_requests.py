import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import ArrayLike

from models.requests import predict_request


def test_request_names_model_and_signature_when_built() -> None:
    request = predict_request("rank", {}, model_name="other")
    assert request.model_spec.name == "other"
    assert request.model_spec.signature_name == "rank"


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (7, tf.int32, []),
        (0.5, tf.float32, []),
        (["a", "ü"], tf.string, [2]),
        (np.zeros((2, 3), np.float32), tf.float32, [2, 3]),
        (np.array([b"a"], dtype=object), tf.string, [1]),
    ],
)
def test_input_has_the_expected_type_when_built(
    value: ArrayLike, dtype: tf.DType, shape: list[int]
) -> None:
    tensor = predict_request("recommend", {"x": value}).inputs["x"]
    assert tensor.dtype == dtype.as_datatype_enum
    assert [dimension.size for dimension in tensor.tensor_shape.dim] == shape
    expected = tf.constant(value).numpy()
    np.testing.assert_array_equal(tf.make_ndarray(tensor), expected)
