"""Asks a served recommender over gRPC, as any TF Serving client would."""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.processes import BenchmarkError, background, marquee, tail
from models import contract

HOST = "127.0.0.1"
READY_S = 180.0  # for the server to load the model
POLL_S = 0.2
REQUEST_S = 60.0
BATCH = 64


@contextmanager
def served(model_dir: Path, log: Path) -> Iterator[grpc.Channel]:
    """Runs `marquee serve` while the block runs, and yields a channel to it once it is healthy.

    Args:
        model_dir: the folder `serving` of a run's output.
        log: the file that the server's output goes to.

    Raises:
        BenchmarkError: if it ends or does not become healthy.
    """
    port = _free_port()
    command = marquee("serve", "--model-dir", str(model_dir), "--port", str(port))
    with (
        background(command, log) as process,
        grpc.insecure_channel(f"{HOST}:{port}") as channel,
    ):
        wait_until_healthy(channel, process, log)
        yield channel


def wait_until_healthy(
    channel: grpc.Channel,
    process: "subprocess.Popen[bytes]",
    log: Path,
    timeout_s: float = READY_S,
) -> None:
    """Waits until the health service behind `channel` answers SERVING.

    Raises:
        BenchmarkError: if `process` ends, or `timeout_s` seconds pass.
    """
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchmarkError(
                f"The server ended with exit code {process.returncode}. "
                f"The end of {log}:\n{tail(log)}"
            )
        try:
            answer = health.Check(request, timeout=REQUEST_S)
        except grpc.RpcError as err:
            if err.code() != grpc.StatusCode.UNAVAILABLE:  # not listening yet
                raise BenchmarkError(f"The health check failed: {err.details()}.") from err
        else:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
        time.sleep(POLL_S)
    raise BenchmarkError(
        f"The server was not healthy within {timeout_s:.0f} s. The end of {log}:\n{tail(log)}"
    )


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


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((HOST, 0))
        return int(held.getsockname()[1])
