"""Runs the model server in a process of its own, for as long as a block runs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.channel import open_channel
from serving.defaults import GRACE_S, HOST

READY_TIMEOUT_S = 180.0  # to start and to load a model
_POLL_S = 0.2
_HEALTH_TIMEOUT_S = 5.0
_STOP_S = GRACE_S + 5.0  # for a server that is told to stop to end by itself
_LOG_LINES = 12  # of the server's log that go into a message


class ServerFailedError(Exception):
    """The server ended or loaded no model: the message has the end of its log."""


@contextmanager
def running_server(model_dir: Path, log: Path, timeout_s: float = READY_TIMEOUT_S) -> Iterator[str]:
    """Serves a folder on a free port of this machine, and stops when the block ends.

    Args:
        model_dir: the folder with one folder a version, or the one above it.
        log: the file that the server's output goes to; made with its folder.
        timeout_s: how long the server may take until it has loaded a model.

    Yields:
        HOST:PORT, once a model is loaded.

    Raises:
        ServerFailedError: if the server ends before it has loaded a model, or takes too long.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="model-server-") as scratch:
        port_file = Path(scratch, "port")
        command = [sys.executable, "-m", "serving.server", "--model-dir", str(model_dir)]
        command += ["--host", HOST, "--port", "0", "--port-file", str(port_file)]
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
            )
        try:
            try:
                target = _wait_until_healthy(process, port_file, timeout_s)
            except ServerFailedError as err:
                raise ServerFailedError(f"{err} The end of {log}:\n{_tail(log)}") from err
            yield target
        finally:
            _stop(process)


def _wait_until_healthy(
    process: "subprocess.Popen[bytes]", port_file: Path, timeout_s: float
) -> str:
    deadline_s = time.monotonic() + timeout_s

    def pause() -> None:
        if process.poll() is not None:
            raise ServerFailedError(f"The model server ended with exit code {process.returncode}.")
        if time.monotonic() > deadline_s:
            raise ServerFailedError(f"The model server has loaded no model within {timeout_s} s.")
        time.sleep(_POLL_S)

    while not port_file.exists():
        pause()
    target = f"{HOST}:{port_file.read_text()}"
    with open_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while not _is_healthy(stub):
            pause()
    return target


def _is_healthy(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_S)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:]) or "(empty)"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
