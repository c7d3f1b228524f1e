"""A gRPC server with canned answers, for what is done with answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

Answers = Mapping[str, Mapping[str, Sequence[object]]]  # outputs by signature and name


class _Canned(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, answers: Answers, asked: list[predict_pb2.PredictRequest]) -> None:
        self._answers = answers
        self._asked = asked

    def Predict(  # noqa: N802  the name in the protocol
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Answers the same to every request of a signature."""
        del context
        self._asked.append(request)
        response = predict_pb2.PredictResponse()
        for name, values in self._answers[request.model_spec.signature_name].items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


@pytest.fixture
def asked() -> list[predict_pb2.PredictRequest]:
    """The requests that the server of `serve_answers` got."""
    return []


@pytest.fixture
def serve_answers(
    asked: list[predict_pb2.PredictRequest],
) -> Iterator[Callable[[Answers], str]]:
    """Returns the target of a server that has an answer for each signature."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")

    def serve(answers: Answers) -> str:
        service = _Canned(answers, asked)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
        server.start()
        return f"127.0.0.1:{port}"

    yield serve
    server.stop(None)
