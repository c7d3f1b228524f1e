"""ServingGate: boots the model server on the new model and asks it as clients will."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc
from tfx import types
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model
from tfx.utils import path_utils

from components.annotations import InputArtifact, OutputArtifact, Parameter, component
from components.artifacts import GateReport
from components.canary import (
    LOOPBACK_OPTIONS,
    Canary,
    Check,
    read_canary_data,
    report_checks,
)
from components.errors import GateError
from models.contract import MODEL_NAME
from models.options import RerankingOptions

REPORT_FILE = "report.json"
SERVER_LOG_FILE = "server.log"
_POLL_S = 0.2
_STOP_S = 5.0  # how long a server that is told to stop may take before it is killed
_LOG_TAIL = 400  # characters of the server's log that go into a message
_LOADED = "server loads the model"


@dataclass(frozen=True)
class GateResult:
    """What the gate found: it blesses a model that passed each check."""

    checks: list[Check]
    load_s: float
    latency: dict[str, float] = field(default_factory=dict)

    @property
    def blessed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of the report."""
        return {
            "gate": "serving",
            "verdict": "blessed" if self.blessed else "refused",
            "load_s": self.load_s,
            "latency": self.latency,
            "checks": report_checks(self.checks),
        }


class _NotServedError(Exception):
    """The server did not come up with the model."""


def judge(
    model_dir: Path,
    examples_dir: Path,
    log_file: Path,
    *,
    canary_users: int,
    k: int,
    max_k: int,
    reranking: RerankingOptions,
    start_timeout_s: float,
    request_timeout_s: float,
) -> GateResult:
    """Serves a SavedModel from a process of its own, and replays canary requests.

    Args:
        model_dir: the SavedModel.
        examples_dir: the examples artifact with the splits users, items and queries.
        log_file: where the server's output goes.
        canary_users: how many users to ask for.
        k: length of the lists whose latency is measured.
        max_k: length of the longest list that the model offers, which is asked for too.
        reranking: what the model was built with: what its lists may hold, and in which order.
        start_timeout_s: how long start and load may take.
        request_timeout_s: how long a request may take.

    Returns:
        The checks; a server that crashes, hangs or never loads is a failed one, not an error.

    Raises:
        GateError: if there is no user to ask for.
    """
    data = read_canary_data(examples_dir, canary_users, max_k, reranking)
    if not data.users:
        raise GateError(
            f"ServingGate needs at least one user with canary_users >= 1. Received: "
            f"canary_users={canary_users}, and no user in {examples_dir}. Look at the data's split."
        )
    started_s = time.monotonic()
    try:
        with _server(model_dir, log_file, started_s + start_timeout_s) as target:
            load_s = time.monotonic() - started_s
            result = Canary(target, data, k, max_k, request_timeout_s).replay()
    except _NotServedError as err:
        return GateResult([Check(_LOADED, False, str(err))], time.monotonic() - started_s)
    return GateResult([Check(_LOADED, True, ""), *result.checks()], load_s, result.latency())


def bless(blessing: types.Artifact, blessed: bool) -> None:
    """Marks an InfraBlessing as TFX's InfraValidator does, so that Pusher reads it."""
    name = "INFRA_BLESSED" if blessed else "INFRA_NOT_BLESSED"
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("")
    blessing.set_int_custom_property("blessed", int(blessed))


@component
def ServingGate(  # noqa: N802  components are named like classes
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    blessing: OutputArtifact[InfraBlessing],
    report: OutputArtifact[GateReport],
    fingerprint: Parameter[str],
    max_k: Parameter[int],
    reranking_json: Parameter[str],
    canary_users: Parameter[int] = 50,
    k: Parameter[int] = 10,
    start_timeout_s: Parameter[int] = 300,
    request_timeout_s: Parameter[int] = 30,
) -> None:
    """Blesses the model if a server of its own answers canary requests as clients expect.

    Args:
        model: the servable.
        examples: what the interaction example generator wrote, with the splits users, items and
            queries.
        blessing: for Pusher.
        report: `report.json` and the server's log.
        fingerprint: of the code; in the cache's key alone.
        canary_users: how many users to ask for.
        k: length of the lists whose latency is measured.
        max_k: length of the longest list that the model offers, which is asked for too.
        reranking_json: RerankingOptions that the model was built with.
        start_timeout_s: how long the server may take to load the model.
        request_timeout_s: how long a request may take.
    """
    folder = Path(report.uri)
    folder.mkdir(parents=True, exist_ok=True)
    result = judge(
        Path(path_utils.serving_model_path(model.uri)),
        Path(examples.uri),
        folder / SERVER_LOG_FILE,
        canary_users=canary_users,
        k=k,
        max_k=max_k,
        reranking=RerankingOptions.model_validate_json(reranking_json),
        start_timeout_s=start_timeout_s,
        request_timeout_s=request_timeout_s,
    )
    (folder / REPORT_FILE).write_text(json.dumps(result.to_json(), indent=2))
    bless(blessing, result.blessed)


@contextmanager
def _server(model_dir: Path, log_file: Path, deadline_s: float) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="serving-gate-") as folder:
        base_path = Path(folder, "model")
        base_path.mkdir()
        (base_path / "1").symlink_to(model_dir.absolute())
        port_file = Path(folder, "port")
        command = [sys.executable, "-m", "serving.server", "--model-dir", str(base_path)]
        command += ["--port", "0", "--port-file", str(port_file)]
        # The server must be the one that belongs to this code, wherever that was imported from.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        try:
            try:
                yield _wait_until_served(process, port_file, deadline_s)
            except _NotServedError as err:
                tail = log_file.read_text(errors="replace").strip()[-_LOG_TAIL:]
                raise _NotServedError(f"{err} The end of {log_file}: {tail}") from err
        finally:
            _end(process)


def _wait_until_served(
    process: "subprocess.Popen[bytes]", port_file: Path, deadline_s: float
) -> str:
    def check_process() -> None:
        if process.poll() is not None:
            raise _NotServedError(f"The server ended with {process.returncode}.")
        if time.monotonic() > deadline_s:
            raise _NotServedError("The server has not loaded the model in time.")
        time.sleep(_POLL_S)

    while not port_file.exists():
        check_process()
    target = f"127.0.0.1:{port_file.read_text()}"
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL_NAME
    with grpc.insecure_channel(target, options=LOOPBACK_OPTIONS) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        while not _is_loaded(stub, request):
            check_process()
    return target


def _is_loaded(
    stub: model_service_pb2_grpc.ModelServiceStub,
    request: get_model_status_pb2.GetModelStatusRequest,
) -> bool:
    states = get_model_status_pb2.ModelVersionStatus
    try:
        versions = stub.GetModelStatus(request, timeout=1.0).model_version_status
    except grpc.RpcError:
        return False
    for version in versions:
        if version.state == states.END:
            raise _NotServedError(f"The model cannot be loaded: {version.status.error_message}")
    return any(version.state == states.AVAILABLE for version in versions)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        # A graph that hangs does not listen.
        process.kill()
        process.wait()
