"""A real server process, asked by a client that knows TensorFlow Serving's stubs alone."""

import itertools
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

_STATES = get_model_status_pb2.ModelVersionStatus
_LOST = (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
_SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def server(start_server: Any, toy_model: Callable[..., Path]) -> Iterator[Any]:
    with start_server() as server:
        server.push(1, toy_model())
        yield server


@pytest.fixture(scope="module")
def versions() -> Iterator[int]:
    return itertools.count(2)


def _request(signature: str = "recommend", **inputs: Any) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "recommender"
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def _refusal(call: Callable[..., Any], request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10.0)
    return caught.value.code(), caught.value.details()


def _health(server: Any, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(server.channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5.0).status
    return status


def test_list_is_answered_when_asked_with_bare_stubs(server: Any) -> None:
    response = server.predictions.Predict(_request(user_id=["u1", "u0"], k=2), timeout=10.0)
    # u1 has seen i00, u0 nothing.
    items = tf.make_ndarray(response.outputs["item_id"]).tolist()
    assert items == [[b"i01", b"i02"], [b"i00", b"i01"]]
    assert response.model_spec.name == "recommender"
    assert response.model_spec.signature_name == "recommend"
    assert response.model_spec.version.value >= 1


def test_only_wanted_outputs_return_when_filtered(server: Any) -> None:
    request = _request(user_id=["u1"], k=2)
    request.output_filter.append("source")
    assert list(server.predictions.Predict(request, timeout=10.0).outputs) == ["source"]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (_request(user_id=["u1"]), "INVALID_ARGUMENT", "Missing but required: {k}"),
        (_request(user_id=["u1"], k=1, x=1), "INVALID_ARGUMENT", "Sent extra: {x}"),
        (_request(user_id=["u1"], k=1.0), "INVALID_ARGUMENT", "input k must be int32"),
        (_request(user_id="u1", k=1), "INVALID_ARGUMENT", "input user_id must have shape"),
        (_request(user_id=["u1"], k=0), "INVALID_ARGUMENT", "k must be in [1, 50]"),
        (_request(user_id=["u1"], k=100_000), "INVALID_ARGUMENT", "k must be in [1, 50]"),
        (_request("nonsense", k=1), "FAILED_PRECONDITION", 'key "nonsense" not found'),
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    ],
)
def test_code_and_reason_are_told_when_a_request_is_wrong(
    server: Any, request_: predict_pb2.PredictRequest, code: str, message: str
) -> None:
    received, details = _refusal(server.predictions.Predict, request_)
    assert received is grpc.StatusCode[code]
    assert message in details
    assert "{{node" not in details


def test_model_is_not_found_when_name_or_version_is_unknown(server: Any) -> None:
    request = _request(user_id=["u1"], k=1)
    request.model_spec.version.value = 999
    code, details = _refusal(server.predictions.Predict, request)
    assert code is grpc.StatusCode.NOT_FOUND
    assert details == "Servable not found for request: Specific(recommender, 999)"
    request = _request(user_id=["u1"], k=1)
    request.model_spec.name = "other"
    code, details = _refusal(server.predictions.Predict, request)
    assert code is grpc.StatusCode.NOT_FOUND
    assert details == "Servable not found for request: Latest(other)"


def test_label_is_refused_when_none_are_configured(server: Any) -> None:
    request = _request(user_id=["u1"], k=1)
    request.model_spec.version_label = "stable"
    code, details = _refusal(server.predictions.Predict, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details == "Unrecognized servable version label: stable"


def test_call_is_unimplemented_when_model_has_no_such_api(server: Any) -> None:
    calls = [
        (server.predictions.Classify, classification_pb2.ClassificationRequest()),
        (server.predictions.Regress, regression_pb2.RegressionRequest()),
        (server.predictions.MultiInference, inference_pb2.MultiInferenceRequest()),
        (
            server.models.HandleReloadConfigRequest,
            model_management_pb2.ReloadConfigRequest(),
        ),
    ]
    for call, request in calls:
        assert _refusal(call, request)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_signatures_are_described_when_metadata_is_asked_for(server: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "recommender"
    response = server.predictions.GetModelMetadata(request, timeout=10.0)
    described = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(described)
    recommend = described.signature_def["recommend"]
    assert sorted(recommend.inputs) == ["k", "user_id"]
    assert recommend.outputs["score"].dtype == tf.float32.as_datatype_enum
    assert response.model_spec.version.value >= 1


@pytest.mark.parametrize(
    ("fields", "name", "code"),
    [
        ([], "recommender", "INVALID_ARGUMENT"),
        (["weights"], "recommender", "INVALID_ARGUMENT"),
        (["signature_def"], "other", "NOT_FOUND"),
    ],
)
def test_metadata_is_refused_when_field_or_name_is_wrong(
    server: Any, fields: list[str], name: str, code: str
) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    assert _refusal(server.predictions.GetModelMetadata, request)[0] is grpc.StatusCode[code]


def test_status_is_not_found_when_name_or_version_is_unknown(server: Any) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "other"
    code, details = _refusal(server.models.GetModelStatus, request)
    assert (code.name, details) == ("NOT_FOUND", "Could not find any versions of model other")
    request.model_spec.name = "recommender"
    request.model_spec.version.value = 999
    code, details = _refusal(server.models.GetModelStatus, request)
    assert (code.name, details) == (
        "NOT_FOUND",
        "Could not find version 999 of model recommender",
    )


def test_health_is_serving_when_a_version_is_loaded(server: Any) -> None:
    assert _health(server) == _SERVING
    assert _health(server, "tensorflow.serving.PredictionService") == _SERVING


def test_no_request_fails_when_a_version_is_swapped_under_load(
    server: Any, toy_model: Callable[..., Path], versions: Iterator[int]
) -> None:
    answered: list[int] = []
    failed: list[grpc.RpcError] = []
    done = threading.Event()

    def ask() -> None:
        request = _request(user_id=["u1"], k=5)
        while not done.is_set():
            try:
                response = server.predictions.Predict(request, timeout=10.0)
                answered.append(response.model_spec.version.value)
            except grpc.RpcError as err:
                failed.append(err)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    pushed = [next(versions), next(versions)]
    for version in pushed:
        server.push(version, toy_model())
    time.sleep(0.2)
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(pushed) <= set(answered)


def test_good_version_answers_when_the_next_is_half_written(
    server: Any, toy_model: Callable[..., Path], versions: Iterator[int]
) -> None:
    good, partial = next(versions), next(versions)
    server.push(good, toy_model())
    folder = server.base_path / str(partial)
    shutil.copytree(toy_model(), folder, ignore=shutil.ignore_patterns("variables"))
    server.wait_for_state(partial, _STATES.END)
    request = _request(user_id=["u1"], k=1)
    assert server.predictions.Predict(request, timeout=10.0).model_spec.version.value == good
    assert server.log.read_text().count(f"Version {partial} of recommender cannot be served") == 1
    # The copy goes on, and the version is taken.
    shutil.copytree(toy_model(), folder, dirs_exist_ok=True)
    server.wait_for_state(partial, _STATES.AVAILABLE)
    assert server.predictions.Predict(request, timeout=10.0).model_spec.version.value == partial


def test_previous_version_answers_when_the_newest_is_removed(
    server: Any, toy_model: Callable[..., Path], versions: Iterator[int]
) -> None:
    older, newest = next(versions), next(versions)
    server.push(older, toy_model())
    folder = server.push(newest, toy_model())
    shutil.rmtree(folder)
    server.wait_for_state(older, _STATES.AVAILABLE)
    request = _request(user_id=["u1"], k=1)
    assert server.predictions.Predict(request, timeout=10.0).model_spec.version.value == older


def test_running_request_ends_well_when_server_is_told_to_stop(
    start_server: Any, toy_model: Callable[..., Path]
) -> None:
    with start_server() as server:
        # Nothing is there yet: not ready, and not dead.
        assert _health(server) == health_pb2.HealthCheckResponse.NOT_SERVING
        code, details = _refusal(server.predictions.Predict, _request(user_id=["u1"], k=1))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert details.startswith("No version of model recommender is loaded yet")
        server.push(1, toy_model("slow"))
        # Calibrated to about a second, so that the signal comes in between.
        started_s = time.monotonic()
        server.predictions.Predict(_request("slow", k=10_000), timeout=30.0)
        steps = int(10_000 / (time.monotonic() - started_s))
        running = server.predictions.Predict.future(_request("slow", k=steps), timeout=30.0)
        time.sleep(0.2)
        server.process.terminate()
        assert tf.make_ndarray(running.result().outputs["count"]) == steps
        assert server.process.wait(20.0) == 0


def test_process_ends_when_a_request_hangs(
    start_server: Any, toy_model: Callable[..., Path]
) -> None:
    with start_server("--grace-s", "0.5") as server:
        server.push(1, toy_model("hang"))
        # u1 hangs in the graph, which nothing can interrupt.
        hanging = server.predictions.Predict.future(_request(user_id=["u1"], k=1), timeout=60.0)
        time.sleep(0.5)
        server.process.terminate()
        # Half a second of grace, and a second each for threads and the watcher to end.
        assert server.process.wait(10.0) == 1
        assert "ends without the requests that still run" in server.log.read_text()
        assert hanging.exception().code() in _LOST


def test_command_ends_with_one_line_when_folder_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serving.server", "--model-dir", str(tmp_path / "none")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--model-dir must be a folder" in done.stderr
    assert "Traceback" not in done.stderr
