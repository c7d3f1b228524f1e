"""Keeps the newest good version of a model loaded, and swaps it while requests run."""

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from models.warmup import warmup_requests
from serving.errors import NO_VERSION_LOADED, RequestError
from serving.servable import Servable
from serving.versions import Content, Version, read_content, scan_versions

_LOG = logging.getLogger(__name__)
DEFAULT_SETTLE_S = 1.0
DEFAULT_RETRY_S = 60.0


@dataclass(frozen=True)
class VersionState:
    """What GetModelStatus says of a version.

    Attributes:
        state: a value of `ModelVersionStatus.State`.
        code: 0, or the canonical status code of what went wrong.
        message: "", or what went wrong.
    """

    state: int
    code: int = 0
    message: str = ""


@dataclass(frozen=True)
class _Failure:
    content: Content
    message: str
    retry_at_s: float  # on the monotonic clock


class ModelManager:
    """Watches a base path in a thread of its own.

    The newest version that loads and passes its own warm-up requests is current. The next one is
    loaded beside it, and a request keeps the version it began with, so that a swap drops none. A
    version that fails never replaces a good one. When the current version's folder is removed, the
    newest that is left takes over; when none is left, the current one stays in service.
    """

    def __init__(
        self,
        base_path: Path,
        model_name: str,
        poll_interval_s: float,
        on_available: Callable[[], None] = lambda: None,
        settle_s: float = DEFAULT_SETTLE_S,
        retry_s: float = DEFAULT_RETRY_S,
    ) -> None:
        """Prepares to watch; `start` begins.

        Args:
            base_path: the folder with one folder a version.
            model_name: the name that messages use.
            poll_interval_s: seconds between two looks at the base path.
            on_available: called after each swap, from the watching thread.
            settle_s: a folder that changed within so many seconds is left alone: it may still be
                being copied.
            retry_s: a version that failed is tried again when its files change, and after so many
                seconds, because a reason may pass (memory, a network disk).
        """
        self.model_name = model_name
        self._base_path = base_path
        self._poll_interval_s = poll_interval_s
        self._on_available = on_available
        self._settle_s = settle_s
        self._retry_s = retry_s
        self._servable: Servable | None = None
        self._states: dict[int, VersionState] = {}
        self._failures: dict[int, _Failure] = {}
        self._complaint = ""
        self._stopping = threading.Event()
        # A load cannot be interrupted: a daemon thread does not hold up the end of the process.
        self._thread = threading.Thread(target=self._watch, name="model-manager", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Stops watching; what is loaded stays. Waits `timeout_s` for a load in progress."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def current(self, version: int | None = None) -> Servable:
        """Returns the loaded version, which stays usable for as long as it is held.

        Args:
            version: the only version to accept, or None for the newest.

        Raises:
            RequestError: UNAVAILABLE while nothing is loaded, NOT_FOUND for another version.
        """
        servable = self._servable
        if servable is None:
            raise RequestError(
                grpc.StatusCode.UNAVAILABLE,
                f"{NO_VERSION_LOADED} {self.model_name} is loaded yet. Try again, or look at "
                "GetModelStatus for what keeps it from loading.",
            )
        if version is not None and version != servable.number:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({self.model_name}, {version})",
            )
        return servable

    def states(self) -> dict[int, VersionState]:
        """Returns the state of each version seen so far, oldest first."""
        return dict(sorted(self._states.copy().items()))

    def poll(self) -> None:
        """Looks once at the base path, and loads what should be current."""
        versions = scan_versions(self._base_path)
        for version in versions:
            if self._servable is not None and version.number == self._servable.number:
                break
            if self._load(version):
                break
        self._forget_removed({version.number for version in versions})
        if not versions:
            self._complain(f"No version of {self.model_name} in {self._base_path}")
        else:
            self._complaint = ""

    def _forget_removed(self, present: set[int]) -> None:
        for number in self._failures.keys() - present:
            del self._failures[number]
        for number, state in self.states().items():
            if number not in present and state.state == ModelVersionStatus.START:
                del self._states[number]

    def _watch(self) -> None:
        while True:
            try:
                self.poll()
            except OSError as err:
                self._complain(f"Cannot read {self._base_path}: {err}")
            # Whatever it is, without this thread no new version would ever be served again.
            except Exception as err:
                self._complain(f"Looking at {self._base_path} failed: {err!r}", err)
            if self._stopping.wait(self._poll_interval_s):
                return

    def _complain(self, message: str, defect: Exception | None = None) -> None:
        if message != self._complaint:
            _LOG.log(logging.ERROR if defect else logging.WARNING, "%s.", message, exc_info=defect)
            self._complaint = message

    def _load(self, version: Version) -> bool:
        content = read_content(version)
        failure = self._failures.get(version.number)
        unchanged = failure is not None and failure.content.files == content.files
        if failure is not None and unchanged and time.monotonic() < failure.retry_at_s:
            return False
        # A negative age is another machine's clock, of which nothing can be concluded.
        if 0 <= time.time() - content.changed_s < self._settle_s:
            self._states.setdefault(version.number, VersionState(ModelVersionStatus.START))
            return False
        self._states[version.number] = VersionState(ModelVersionStatus.LOADING)
        started_s = time.monotonic()
        try:
            servable = Servable(version.path, version.number)
            _warm_up(servable, version.path)
        # A broken SavedModel raises anything: parse errors, missing files, errors of TensorFlow.
        except Exception as err:
            self._reject(version, content, err)
            return False
        self._switch(servable, time.monotonic() - started_s)
        return True

    def _reject(self, version: Version, content: Content, err: Exception) -> None:
        code = err.error_code if isinstance(err, tf.errors.OpError) else 0
        message = f"{type(err).__name__}: {err}"
        previous = self._failures.get(version.number)
        self._failures[version.number] = _Failure(
            content, message, time.monotonic() + self._retry_s
        )
        self._states[version.number] = VersionState(
            ModelVersionStatus.END, code or grpc.StatusCode.UNKNOWN.value[0], message
        )
        if previous is None or previous.message != message:
            serving = self._servable.number if self._servable else "none"
            _LOG.error(
                "Version %d of %s cannot be served (in service: %s): %s",
                version.number,
                self.model_name,
                serving,
                message,
            )

    def _switch(self, servable: Servable, took_s: float) -> None:
        retired = self._servable
        self._servable = servable
        self._states[servable.number] = VersionState(ModelVersionStatus.AVAILABLE)
        if retired is not None:
            self._states[retired.number] = VersionState(ModelVersionStatus.END)
        _LOG.info(
            "Serving version %d of %s, loaded in %.1f s.", servable.number, self.model_name, took_s
        )
        self._on_available()
        # A loaded SavedModel is full of reference cycles: its memory is only freed by a collection.
        del retired
        gc.collect()


def _warm_up(servable: Servable, path: Path) -> None:
    for request in warmup_requests(path):
        servable.predict(request.model_spec.signature_name, request.inputs, request.output_filter)
