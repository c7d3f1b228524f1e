"""Toy SavedModels with the contract's signatures, sound and broken, and servers for them."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from models.requests import predict_request
from models.warmup import write_warmup_requests

_ITEMS = 30
_MAX_K = 50
_CONTEXT = {
    **{
        name: tf.TensorSpec([None, None], tf.string, name)
        for name in ("history_item_id", "exclude_item_id", "exclude_category")
    },
    **{name: tf.TensorSpec([None], tf.float32, name) for name in ("diversity", "freshness")},
}


class _Toy(tf.Module):
    """Recommends items i00, i01 ... by popularity; user u<n> has seen the first n of them.

    Args:
        flaw: "" for a sound model, or what is wrong with it.
    """

    def __init__(self, flaw: str) -> None:
        super().__init__()
        self._flaw = flaw
        names = [f"i{number:02d}" for number in range(_ITEMS)]
        if flaw == "duplicates":
            names[4] = names[3]
        # Padding up to the largest k.
        self._names = tf.constant(names + [""] * _MAX_K)
        self._scores = tf.constant([1.0 - 0.01 * n for n in range(_ITEMS)] + [0.0] * _MAX_K)

    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        users = {"user_id": tf.TensorSpec([None], tf.string, "user_id")}
        items = {"item_id": tf.TensorSpec([None], tf.string, "item_id")}
        k = {"k": tf.TensorSpec([], tf.int32, "k")}
        ranked = {"item_id": tf.TensorSpec([None, None], tf.string, "item_id")}
        serve = {
            "recommend": tf.function(self.recommend).get_concrete_function(**users, **k),
            "recommend_with_context": tf.function(self.with_context).get_concrete_function(
                **users, **k, **_CONTEXT
            ),
            "similar_items": tf.function(self.similar).get_concrete_function(**items, **k),
            "describe_items": tf.function(self.describe).get_concrete_function(**items),
            "rank": tf.function(self.rank).get_concrete_function(**users, **ranked),
            "slow": tf.function(self.slow).get_concrete_function(**k),
        }
        # The slow signature has no batch, which the gate would rightly refuse.
        if self._flaw != "slow":
            del serve["slow"]
        return {"serving_default": serve["recommend"], **serve}

    def recommend(self, user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Keeps what a user has not seen, in order of popularity."""
        if self._flaw != "any_k":
            tf.debugging.assert_greater_equal(k, 1, message=f"k must be in [1, {_MAX_K}]")
            tf.debugging.assert_less_equal(k, _MAX_K, message=f"k must be in [1, {_MAX_K}]")
        victim = tf.reduce_any(user_id == "u1")
        if self._flaw == "error":
            tf.debugging.assert_equal(victim, False, message="u1 breaks this model")
        # The answer has to depend on what harms, or TensorFlow leaves it out of the graph.
        if self._flaw == "crash" and victim:
            with tf.control_dependencies([tf.raw_ops.Abort(error_msg="u1 kills this model")]):
                k = tf.identity(k)
        if self._flaw == "hang":
            forever = tf.constant(0)
            while victim and forever >= 0:
                forever = 1 - forever
            k += tf.minimum(forever, 0)
        seen = tf.strings.to_number(
            tf.strings.regex_replace(tf.strings.regex_replace(user_id, "^u", ""), "^$", "0"),
            tf.int32,
        )
        if self._flaw == "seen":
            seen = tf.zeros_like(seen)
        rank = tf.minimum(seen[:, tf.newaxis] + tf.range(k), _ITEMS + _MAX_K - 1)
        scores = tf.gather(self._scores, rank)
        if self._flaw == "nan":
            scores *= float("nan")
        if self._flaw == "increasing":
            scores *= -1.0
        item_id = tf.gather(self._names, rank)
        if self._flaw == "short":
            item_id = tf.where(tf.range(k) < 3, item_id, "")
        if self._flaw == "runs_dry":
            item_id = tf.where(tf.range(k) < 12, item_id, "")
        return {"item_id": item_id, "score": scores, "source": tf.fill(tf.shape(rank), "popular")}

    def with_context(
        self, user_id: tf.Tensor, k: tf.Tensor, **context: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Pads what the context leaves out, and has the strengths in the scores."""
        found = self.recommend(user_id, k)
        unwanted = [context["history_item_id"], context["exclude_item_id"]]
        left_out = tf.reduce_any(
            found["item_id"][:, :, tf.newaxis] == tf.concat(unwanted, 1)[:, tf.newaxis], -1
        )
        # Every item has the one category.
        left_out |= tf.reduce_any(context["exclude_category"] == "toy", 1)[:, tf.newaxis]
        strengths = context["diversity"] + 10.0 * context["freshness"]
        return {
            "item_id": tf.where(left_out, "", found["item_id"]),
            "score": tf.tile(strengths[:, tf.newaxis], [1, k]),
            "source": found["source"],
        }

    def similar(self, item_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers with the most popular items."""
        shape = tf.stack([tf.shape(item_id)[0], k])
        return {
            "item_id": tf.broadcast_to(self._names[:k], shape),
            "score": tf.broadcast_to(self._scores[:k], shape),
        }

    def describe(self, item_id: tf.Tensor) -> dict[str, tf.Tensor]:
        """Has a title and one category for each item."""
        return {
            "title": tf.strings.join(["Title of ", item_id]),
            "category": tf.stack([tf.fill(tf.shape(item_id), "toy"), tf.zeros_like(item_id)], 1),
        }

    def rank(self, user_id: tf.Tensor, item_id: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores everything 0."""
        del user_id
        return {"score": tf.zeros(tf.shape(item_id))}

    def slow(self, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Counts to k, one step after the other."""
        count = tf.constant(0)
        while count < k:
            count += 1
        return {"count": count}


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Saves a toy with the given flaw, once a session, and returns its folder."""
    saved: dict[str, Path] = {}

    def save(flaw: str = "") -> Path:
        if flaw not in saved:
            path = tmp_path_factory.mktemp("toy") / "model"
            toy = _Toy(flaw)
            tf.saved_model.save(toy, str(path), signatures=toy.signatures())
            requests = [predict_request("recommend", {"user_id": ["u0"], "k": 5})]
            write_warmup_requests(path, requests)
            saved[flaw] = path
        return saved[flaw]

    return save


class ServerProcess:
    """A model server in a process of its own, and stubs to ask it with."""

    def __init__(self, base_path: Path, folder: Path, options: Sequence[str]) -> None:
        self.base_path = base_path
        self.log = folder / "server.log"
        port_file = folder / "port"
        command = [sys.executable, "-m", "serving.server", "--model-dir", str(base_path)]
        command += ["--port", "0", "--port-file", str(port_file), "--poll-interval-s", "0.1"]
        command += options
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(port_file.exists, 60.0)
        self.target = f"127.0.0.1:{port_file.read_text()}"
        self.channel = grpc.insecure_channel(self.target)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def states(self) -> dict[int, int]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "recommender"
        try:
            answer = self.models.GetModelStatus(request, timeout=5.0)
        except grpc.RpcError as err:
            if err.code() is grpc.StatusCode.NOT_FOUND:
                return {}
            raise
        return {status.version: status.state for status in answer.model_version_status}

    def wait_for_state(self, version: int, state: int) -> None:
        wait_until(lambda: self.states().get(version) == state, 30.0)

    def push(self, version: int, model: Path) -> Path:
        """Copies a model to a version and waits until it is served."""
        folder = Path(shutil.copytree(model, self.base_path / str(version)))
        self.wait_for_state(version, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
        return folder

    def stop(self) -> int:
        """Sends SIGTERM and returns the exit status."""
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20.0)
        finally:
            self.process.kill()


def wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {timeout_s} s")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def start_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[ServerProcess]]:
    @contextmanager
    def start(*options: str) -> Iterator[ServerProcess]:
        folder = tmp_path_factory.mktemp("server")
        base_path = folder / "recommender"
        base_path.mkdir()
        server = ServerProcess(base_path, folder, options)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()

    return start
