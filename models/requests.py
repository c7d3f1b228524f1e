"""Builds TensorFlow Serving's PredictRequest from numpy values."""

from collections.abc import Mapping

import tensorflow as tf
from numpy.typing import ArrayLike
from tensorflow_serving.apis import predict_pb2

from models.contract import MODEL_NAME


def predict_request(
    signature: str, inputs: Mapping[str, ArrayLike], model_name: str = MODEL_NAME
) -> predict_pb2.PredictRequest:
    """Returns a request for the newest version of `model_name`.

    Args:
        signature: name of the served signature.
        inputs: input name to value. Numpy arrays keep their dtype; Python integers become int32,
            Python floats float32 and text string.
        model_name: name under which the server offers the model.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
