"""A TensorFlow Serving client out of tensorflow-serving-api alone: `stock_client.py HOST:PORT`.

Prints, as JSON, what a server answers. The signatures' names are written out here on purpose: this
is what somebody writes who has only read the contract.
"""

import json
import sys

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

MODEL = "recommender"
OURS = {"pipeline", "components", "models", "serving"}
TIMEOUT_S = 60.0


def main(target: str) -> None:
    """Asks for lists, good and bad, and prints everything."""
    with grpc.insecure_channel(target) as channel:
        predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = MODEL
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        loaded = models.GetModelStatus(status, timeout=TIMEOUT_S).model_version_status
        print(
            json.dumps(
                {
                    "available": [v.version for v in loaded if v.state == v.AVAILABLE],
                    "known": predict(predictions, "recommend", ["1"], 10),
                    "batch": predict(predictions, "serving_default", ["1", "2", "nobody"], 3),
                    "unknown": predict(predictions, "recommend", ["nobody"], 10),
                    "empty": predict(predictions, "recommend", [""], 10),
                    "zero": predict(predictions, "recommend", ["1"], 0),
                    "too_many": predict(predictions, "recommend", ["1"], 100_000),
                    "no_signature": predict(predictions, "paint", ["1"], 1),
                    "ours": sorted(OURS & set(sys.modules)),
                }
            )
        )


def predict(
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
    signature: str,
    user_ids: list[str],
    k: int,
) -> dict[str, object]:
    """Returns the outputs as lists, or the code and the text of the error."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    request.model_spec.signature_name = signature
    request.inputs["user_id"].CopyFrom(tf.make_tensor_proto(user_ids))
    request.inputs["k"].CopyFrom(tf.make_tensor_proto(np.int32(k)))
    try:
        response = stub.Predict(request, timeout=TIMEOUT_S)
    except grpc.RpcError as err:
        return {"code": err.code().name, "details": err.details()}
    outputs = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
    return {
        name: np.char.decode(value.astype(bytes)).tolist()
        if value.dtype == object
        else value.tolist()
        for name, value in outputs.items()
    }


if __name__ == "__main__":
    main(sys.argv[1])
