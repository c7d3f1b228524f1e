"""Asks a served recommender over gRPC, as any TF Serving client would."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.processes import BenchmarkError
from models import contract
from serving.channel import open_channel
from serving.subprocess_server import ServerFailedError, running_server

REQUEST_S = 60.0
BATCH = 64


@contextmanager
def served(model_dir: Path, log: Path) -> Iterator[grpc.Channel]:
    """Runs the model server while the block runs, and yields a channel to it once it is healthy.

    Args:
        model_dir: the folder `serving` of a run's output.
        log: the file that the server's output goes to.

    Raises:
        BenchmarkError: if it ends or does not become healthy.
    """
    try:
        with running_server(model_dir, log) as target, open_channel(target) as channel:
            yield channel
    except ServerFailedError as err:
        raise BenchmarkError(str(err)) from err


def ask(channel: grpc.Channel, user_ids: Sequence[str], k: int) -> list[list[str]]:
    """Returns each user's list, best first, asked for in batches.

    Raises:
        BenchmarkError: if the server refuses a request.
    """
    lists: list[list[str]] = []
    for start in range(0, len(user_ids), BATCH):
        lists += _predict(channel, user_ids[start : start + BATCH], k)
    return lists


def latencies_ms(channel: grpc.Channel, user_ids: Sequence[str], k: int) -> list[float]:
    """Returns the milliseconds that each of these users' requests took, one after the other."""
    taken = []
    for user_id in user_ids:
        started = time.perf_counter()
        _predict(channel, [user_id], k)
        taken.append(1000 * (time.perf_counter() - started))
    return taken


def _predict(channel: grpc.Channel, user_ids: Sequence[str], k: int) -> list[list[str]]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = contract.MODEL_NAME
    request.model_spec.signature_name = contract.RECOMMEND
    request.inputs[contract.USER_ID].CopyFrom(tf.make_tensor_proto(list(user_ids), tf.string))
    request.inputs[contract.K].CopyFrom(tf.make_tensor_proto(np.int32(k)))
    try:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=REQUEST_S)
    except grpc.RpcError as err:
        raise BenchmarkError(f"The server refused a request: {err.details()}.") from err
    rows = tf.make_ndarray(response.outputs[contract.ITEM_ID])
    return [[item.decode() for item in row if item] for row in rows]
