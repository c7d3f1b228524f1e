"""A gRPC model server that speaks TensorFlow Serving's APIs over a base path."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated

import grpc
import typer
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)

from models.contract import MODEL_NAME
from serving.defaults import GRACE_S, HOST, POLL_INTERVAL_S, PORT
from serving.errors import ServingError
from serving.model_manager import ModelManager
from serving.model_service import ModelService
from serving.prediction_service import PredictionService

_LOG = logging.getLogger(__name__)
_JOIN_S = 1.0  # for threads to end whose requests have been answered or cancelled
_WORKERS = 16  # requests that run at once; more wait their turn
_HEALTH_SERVICES = (
    health.OVERALL_HEALTH,
    prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name,
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
)


class ModelServer:
    """Serves the newest version under a base path, and reloads as new ones appear.

    Health is NOT_SERVING until a version is loaded. Use it as a context manager, or call `start`
    and `stop`.

    Attributes:
        port: as asked for; once started, as bound.
    """

    def __init__(
        self,
        base_path: str | Path,
        *,
        model_name: str = MODEL_NAME,
        host: str = HOST,
        port: int = PORT,
        poll_interval_s: float = POLL_INTERVAL_S,
    ) -> None:
        """Prepares a server; `start` binds it.

        Args:
            base_path: the folder that holds one SavedModel folder a version, named by number.
            model_name: the name that requests must give.
            host: the address to listen on; the default is reachable from this machine alone.
            port: 0 picks a free one.
            poll_interval_s: seconds between two looks for new versions.
        """
        self._address = f"[{host}]" if ":" in host else host
        self.port = port
        self._stop_once = threading.Lock()
        self._stopped = threading.Event()
        self._all_ended = True
        self._requests = ThreadPoolExecutor(_WORKERS, "request")
        self._health = health.HealthServicer(
            experimental_non_blocking=True,
            experimental_thread_pool=ThreadPoolExecutor(1, "health"),
        )
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._manager = ModelManager(
            Path(base_path),
            model_name,
            poll_interval_s,
            lambda: self._set_health(health_pb2.HealthCheckResponse.SERVING),
        )
        self._server = self._create_server()

    def start(self) -> int:
        """Binds, begins to load, and returns the port at once: the client can wait for a model.

        Raises:
            ServingError: if the port cannot be bound.
        """
        target = f"{self._address}:{self.port}"
        try:
            self.port = self._server.add_insecure_port(target)
        except RuntimeError as err:
            raise ServingError(
                f"Cannot listen on {target}: it is in use, or no address of this machine. "
                "Choose another port with --port; 0 picks a free one."
            ) from err
        self._server.start()
        self._manager.start()
        return self.port

    def stop(self, grace_s: float = GRACE_S) -> bool:
        """Refuses new requests, lets running ones end within `grace_s` seconds, then stops.

        Returns:
            Whether every request has ended. One that hangs in the graph cannot be interrupted, and
            its thread keeps the interpreter from ending.
        """
        with self._stop_once:
            if not self._stopped.is_set():
                # Watchers of the health service turn away before the port closes.
                self._health.enter_graceful_shutdown()
                self._server.stop(grace_s).wait()
                self._manager.stop()
                self._all_ended = self._join_requests()
                self._stopped.set()
            return self._all_ended

    def wait(self, timeout_s: float | None = None) -> bool:
        """Blocks until the server has stopped, and returns whether it has within `timeout_s`."""
        return self._stopped.wait(timeout_s)

    def __enter__(self) -> "ModelServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _create_server(self) -> grpc.Server:
        server = grpc.server(
            self._requests,
            options=[
                # Two servers on one port would answer in turns, with different models.
                ("grpc.so_reuseport", 0),
                # As TensorFlow Serving: a batch of embeddings is larger than gRPC's 4 MB.
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._manager), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._manager), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server

    def _join_requests(self) -> bool:
        # The executor waits for its threads without a limit of time, so another thread does that.
        join = threading.Thread(
            target=self._requests.shutdown, kwargs={"cancel_futures": True}, daemon=True
        )
        join.start()
        join.join(_JOIN_S)
        return not join.is_alive()

    def _set_health(self, status: int) -> None:
        for service in _HEALTH_SERVICES:
            self._health.set(service, status)


def find_base_path(model_dir: str | Path, model_name: str = MODEL_NAME) -> Path:
    """Returns the base path that `model_dir` means: itself, or its folder `model_name`.

    Raises:
        ServingError: if there is no such folder, or it is a version and not their parent.
    """
    path = Path(model_dir)
    if not path.is_dir():
        raise ServingError(
            f"--model-dir must be a folder. Received: {path}, which is none. Push a model first: "
            "marquee run."
        )
    if (path / "saved_model.pb").exists():
        raise ServingError(
            f"--model-dir must hold one folder a version. Received: {path}, which is a version "
            f"itself. Name the folder above it: {path.absolute().parent}."
        )
    # The output folder of a run, its serving/, and the base path itself are all clear enough.
    for named in (path / "serving" / model_name, path / model_name):
        if named.is_dir():
            return named
    return path


def serve(
    model_dir: str | Path,
    *,
    model_name: str = MODEL_NAME,
    host: str = HOST,
    port: int = PORT,
    poll_interval_s: float = POLL_INTERVAL_S,
    grace_s: float = GRACE_S,
    on_bound: Callable[[int], None] = lambda port: None,
) -> bool:
    """Serves until SIGTERM or SIGINT, then stops gracefully. Call it from the main thread.

    Args:
        model_dir: the base path, or the folder that holds it under the model's name.
        model_name: the name that requests must give.
        host: the address to listen on.
        port: 0 picks a free one.
        poll_interval_s: seconds between two looks for new versions.
        grace_s: seconds that running requests have to end.
        on_bound: told the port, once requests are accepted; a model may not be loaded yet.

    Returns:
        Whether every request has ended; else the interpreter cannot end by itself.

    Raises:
        ServingError: if there is nothing to serve from, or the port cannot be bound.
    """
    asked_to_stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        asked_to_stop.set()

    server = ModelServer(
        find_base_path(model_dir, model_name),
        model_name=model_name,
        host=host,
        port=port,
        poll_interval_s=poll_interval_s,
    )
    signals = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, ask_to_stop) for number in signals}
    try:
        on_bound(server.start())
        asked_to_stop.wait()
        return server.stop(grace_s)
    finally:
        server.stop(grace_s)
        for number, handler in previous.items():
            signal.signal(number, handler)


def main(
    model_dir: Annotated[str, typer.Option(help="Base path, or the folder above it.")],
    model_name: Annotated[str, typer.Option(help="Name that requests must give.")] = MODEL_NAME,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(help="0 picks a free port.")] = PORT,
    port_file: Annotated[str, typer.Option(help="File to write the bound port to.")] = "",
    poll_interval_s: Annotated[
        float, typer.Option(help="Seconds between two looks for new versions.")
    ] = POLL_INTERVAL_S,
    grace_s: Annotated[
        float, typer.Option(help="Seconds that running requests have to end.")
    ] = GRACE_S,
) -> None:
    """Serves a model over gRPC until it is told to stop: `python -m serving.server`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    def announce(bound: int) -> None:
        if port_file:
            # A reader must never see half a number.
            Path(f"{port_file}.partial").write_text(str(bound))
            os.replace(f"{port_file}.partial", port_file)
        typer.echo(f"Serving {model_name} on {host}:{bound}")

    try:
        all_ended = serve(
            model_dir,
            model_name=model_name,
            host=host,
            port=port,
            poll_interval_s=poll_interval_s,
            grace_s=grace_s,
            on_bound=announce,
        )
    except ServingError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(2) from err
    if not all_ended:
        _LOG.error("The process ends without the requests that still run after %g s.", grace_s)
        logging.shutdown()
        sys.stdout.flush()
        # A regular exit waits for all threads.
        os._exit(1)


if __name__ == "__main__":
    typer.run(main)
