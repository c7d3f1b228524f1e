from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks import served
from benchmarks.processes import BenchmarkError


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
def channel(service: _Service) -> Iterator[grpc.Channel]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    server.stop(None)


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


def test_quotes_the_log_when_there_is_nothing_to_serve(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match=r"exit code 2(.|\n)*must be a folder"),
        served.served(tmp_path / "none", tmp_path / "log"),
    ):
        pytest.fail("there is nothing to serve")
