import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks import served
from benchmarks.processes import BenchmarkError, background


class _Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers with the user's id and a pad; records the size of each batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        users = tf.make_ndarray(request.inputs["user_id"])
        k = tf.make_ndarray(request.inputs["k"])
        if request.model_spec.name != "recommender" or k.dtype != np.int32 or k > 100:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "k must be at most 100")
        self.batches.append(len(users))
        response = predict_pb2.PredictResponse()
        rows = [[b"item-" + user, b""] for user in users]
        response.outputs["item_id"].CopyFrom(tf.make_tensor_proto(rows))
        return response


@pytest.fixture
def service() -> _Service:
    return _Service()


@pytest.fixture
def status() -> health.HealthServicer:
    return health.HealthServicer()


@pytest.fixture
def channel(service: _Service, status: health.HealthServicer) -> Iterator[grpc.Channel]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    server.stop(None)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Starts a process that stands for the server's."""
    running = []

    def run(code: str) -> "subprocess.Popen[bytes]":
        manager = background([sys.executable, "-c", code], tmp_path / "log")
        running.append(manager)
        return manager.__enter__()

    yield run
    for manager in running:
        manager.__exit__(None, None, None)


def test_asks_for_everyone_in_batches_when_users_are_many(
    channel: grpc.Channel, service: _Service
) -> None:
    users = [str(n) for n in range(served.BATCH + 6)]
    assert served.ask(channel, users, 100) == [[f"item-{user}"] for user in users]
    assert service.batches == [served.BATCH, 6]


def test_measures_single_requests_when_asked_for_latencies(
    channel: grpc.Channel, service: _Service
) -> None:
    taken = served.latencies_ms(channel, ["1", "2", "3"], 10)
    assert len(taken) == 3
    assert min(taken) > 0
    assert service.batches == [1, 1, 1]


def test_quotes_the_server_when_it_refuses(channel: grpc.Channel) -> None:
    with pytest.raises(BenchmarkError, match="refused a request: k must be at most 100"):
        served.ask(channel, ["1"], 101)


def test_returns_when_the_server_is_healthy(
    channel: grpc.Channel,
    status: health.HealthServicer,
    start: Callable[[str], "subprocess.Popen[bytes]"],
    tmp_path: Path,
) -> None:
    process = start("import time; time.sleep(30)")
    status.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    with pytest.raises(BenchmarkError, match="not healthy within 0 s"):
        served.wait_until_healthy(channel, process, tmp_path / "log", timeout_s=0.3)
    status.set("", health_pb2.HealthCheckResponse.SERVING)
    served.wait_until_healthy(channel, process, tmp_path / "log", timeout_s=10)


def test_quotes_the_log_when_the_server_ends(
    channel: grpc.Channel, start: Callable[[str], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    process = start("print('no such folder'); raise SystemExit(2)")
    process.wait(20)
    with pytest.raises(BenchmarkError, match=r"exit code 2(.|\n)*no such folder"):
        served.wait_until_healthy(channel, process, tmp_path / "log")
