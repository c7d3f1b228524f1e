"""Asks a model server as its clients will, and judges the answers.

Pure TensorFlow Serving stubs: what passes here passes on any TensorFlow Serving.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis import get_model_metadata_pb2, prediction_service_pb2_grpc

from components.example_dataset import example_dataset
from components.example_files import split_folder
from models import contract, features
from models.item_facts import recommendable
from models.options import RerankingOptions
from models.progress import report
from models.raw_data import read_catalogue
from models.requests import predict_request

DEFAULT_RERANKING = RerankingOptions()
_BATCH = 2  # rows of a signature's probe
_REPORT_EVERY = 10  # users
_MESSAGES_A_CHECK = 3
_FILTERED = "nothing filtered"
# The server is on this machine: a proxy that the environment names must not be asked for it.
LOOPBACK_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0))
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class CanaryUser:
    """A user to ask for: the id, and every item they have seen."""

    user_id: str
    seen: frozenset[str]


@dataclass(frozen=True)
class CanaryData:
    """What requests are made of, and what answers are held to.

    Attributes:
        users: to ask for.
        queries: serialized Examples.
        item_ids: of catalogue items that the configuration's filters let pass.
        filtered: ids of all catalogue items that they do not.
        ordered: whether scores descend, as they do unless diversity or a cap made the order.
    """

    users: list[CanaryUser]
    queries: list[bytes]
    item_ids: list[str]
    filtered: frozenset[str] = frozenset()
    ordered: bool = True


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    message: str


@dataclass
class CanaryResult:
    """What a replay found.

    Attributes:
        problems: check name to what is wrong; a check without any has passed.
        latencies_ms: of each `recommend` of an ordinary list for a canary user.
    """

    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    latencies_ms: list[float] = field(default_factory=list)

    def note(self, check: str, problems: Iterable[str]) -> None:
        """Adds to what is wrong by `check`, which passes if nothing ever is."""
        self.problems[check].extend(problems)

    def checks(self) -> list[Check]:
        """Returns a verdict for each check, in the order they were made."""
        return [Check(name, not found, _summary(found)) for name, found in self.problems.items()]

    def latency(self) -> dict[str, float]:
        """Returns count, and median, 95th percentile and maximum in milliseconds."""
        if not self.latencies_ms:
            return {"count": 0}
        median, high, top = np.percentile(self.latencies_ms, [50, 95, 100]).tolist()
        return {"count": len(self.latencies_ms), "p50_ms": median, "p95_ms": high, "max_ms": top}


class ServerLostError(Exception):
    """The server crashed or hangs: asking on is pointless."""


def read_canary_data(
    examples_dir: Path, users: int, max_k: int, reranking: RerankingOptions = DEFAULT_RERANKING
) -> CanaryData:
    """Reads what requests are made of from an examples artifact.

    Args:
        examples_dir: with the splits users, queries and items; a missing one is read as empty.
        users: how many users to read; the first ones.
        max_k: length of the longest list to ask for. Of the items that pass the filters as many are
            kept as leave each user with so many that they have not seen, or all where there are
            fewer.
        reranking: what the model was built with: its filters, and what makes its order.
    """
    found = []
    for record in _read_split(examples_dir, features.USERS_SPLIT, users):
        values = tf.train.Example.FromString(record).features.feature
        seen = (item.decode() for item in values[features.SEEN_ITEM_ID].bytes_list.value)
        user_id = values[features.USER_ID].bytes_list.value[0].decode()
        found.append(CanaryUser(user_id, frozenset(seen)))
    enough = max_k + max((len(user.seen) for user in found), default=0)
    passing, filtered = _read_items(examples_dir, reranking)
    return CanaryData(
        users=found,
        queries=_read_split(examples_dir, features.QUERIES_SPLIT, _BATCH),
        item_ids=passing[:enough],
        filtered=frozenset(filtered),
        ordered=reranking.diversity == 0.0 and reranking.category_cap is None,
    )


def _read_items(examples_dir: Path, reranking: RerankingOptions) -> tuple[list[str], list[str]]:
    """Returns the ids of items that pass the filters, and of those that do not."""
    folder = Path(split_folder(str(examples_dir), features.ITEMS_SPLIT))
    items = list(read_catalogue(str(folder)).values()) if folder.is_dir() else []
    ids: dict[bool, list[str]] = {True: [], False: []}
    for item, passes in zip(items, recommendable(items, reranking)[1:].tolist(), strict=True):
        ids[passes].append(item.item_id.decode())
    return ids[True], ids[False]


def _read_split(examples_dir: Path, split: str, limit: int) -> list[bytes]:
    records = example_dataset(split_folder(str(examples_dir), split))
    return list(records.take(limit).as_numpy_iterator())


def list_problems(
    user: CanaryUser,
    item_ids: Sequence[str],
    scores: Sequence[float],
    k: int,
    known: set[str],
    filtered: frozenset[str] = frozenset(),
    ordered: bool = True,
) -> dict[str, list[str]]:
    """Judges one recommended list.

    Args:
        user: whose list it is.
        item_ids: as answered, "" pads.
        scores: one an item id.
        k: how many were asked for.
        known: items that certainly may be recommended: a list may be shorter than k only where
            each of them is in the list or has been seen.
        filtered: items that must not be recommended to anyone.
        ordered: whether scores must descend; else they are not looked at for it.

    Returns:
        Check name to what is wrong, with an entry for each check, empty where nothing is.
    """
    who = f"user {user.user_id!r}"
    items = [item_id for item_id in item_ids if item_id]
    values = list(scores)[: len(items)]
    checks = ("full lists", "unique items", "nothing seen", _FILTERED, "finite scores")
    problems: dict[str, list[str]] = {name: [] for name in checks}
    if ordered:
        problems["sorted"] = []
    if len(item_ids) != k or len(scores) != k:
        problems["full lists"].append(
            f"{who} must get {k} entries. Received: {len(item_ids)} ids, {len(scores)} scores"
        )
    elif list(item_ids[: len(items)]) != items:
        problems["full lists"].append(f'{who} has "" before the end of the list')
    elif len(items) < k and (left := sorted(known - set(items) - user.seen)):
        problems["full lists"].append(
            f"{who} gets {len(items)} of {k} items, although {left[0]!r} is left"
        )
    twice = sorted({item_id for item_id in items if items.count(item_id) > 1})
    problems["unique items"] += [f"{who} gets {item_id!r} more than once" for item_id in twice]
    seen = [item_id for item_id in items if item_id in user.seen]
    problems["nothing seen"] += [f"{who} has already seen {item_id!r}" for item_id in seen]
    problems[_FILTERED] += _filtered_problems(who, items, filtered)
    if not all(math.isfinite(value) for value in values):
        problems["finite scores"].append(f"{who} gets scores {values}")
    elif ordered and any(left < right for left, right in zip(values, values[1:], strict=False)):
        problems["sorted"].append(f"{who} gets scores that increase: {values}")
    return problems


def _filtered_problems(who: str, item_ids: Iterable[str], filtered: frozenset[str]) -> list[str]:
    forbidden = sorted(filtered.intersection(item_ids))
    return [f"{who} gets {item_id!r}, which the filters keep out" for item_id in forbidden]


class Canary:
    """Replays requests against the server at `target`."""

    def __init__(self, target: str, data: CanaryData, k: int, max_k: int, timeout_s: float) -> None:
        """Prepares; `replay` asks.

        Args:
            target: HOST:PORT on this machine.
            data: with at least one user.
            k: length of the lists whose latency is measured.
            max_k: length of the longest list that the model offers.
            timeout_s: how long one request may take before the server counts as hanging.
        """
        self._target = target
        self._data = data
        self._k = k
        self._max_k = max_k
        self._timeout_s = timeout_s
        self._known = set(data.item_ids)  # to be recommendable

    def replay(self) -> CanaryResult:
        """Asks everything, and stops early only where the server is lost."""
        result = CanaryResult()
        with grpc.insecure_channel(self._target, options=LOOPBACK_OPTIONS) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            try:
                self._ask_for_users(stub, result)
                self._ask_beyond_limits(stub, result)
                self._ask_each_signature(stub, result)
                result.note("server survives", [])
            except ServerLostError as err:
                result.note("server survives", [str(err)])
        return result

    def _ask_for_users(
        self, stub: prediction_service_pb2_grpc.PredictionServiceStub, result: CanaryResult
    ) -> None:
        users = [*self._data.users, CanaryUser("", frozenset())]  # the last one is unknown
        answers = []
        for number, user in enumerate(users, start=1):
            for k in (self._k, self._max_k):
                lists = self._ask_for_list(stub, result, user, k)
                if lists:
                    answers.append((user, k, *lists))
            if number % _REPORT_EVERY == 0 or number == len(users):
                report(f"serving gate: asked for {number} of {len(users)} users")
        for _, _, item_ids, _ in answers:
            self._known.update(item_ids)
        # What slipped past the filters into one list must not count as missing in the others.
        self._known -= self._data.filtered | {""}
        for user, k, item_ids, scores in answers:
            found = list_problems(
                user, item_ids, scores, k, self._known, self._data.filtered, self._data.ordered
            )
            for check, problems in found.items():
                result.note(check, problems)

    def _ask_for_list(
        self,
        stub: prediction_service_pb2_grpc.PredictionServiceStub,
        result: CanaryResult,
        user: CanaryUser,
        k: int,
    ) -> tuple[list[str], list[float]] | None:
        inputs = {contract.USER_ID: [user.user_id], contract.K: np.int32(k)}
        asked = f"user {user.user_id!r}, k={k}"
        started_s = time.monotonic()
        try:
            outputs = self._predict(stub, contract.RECOMMEND, inputs)
            lists = _texts(outputs[contract.ITEM_ID][0]), outputs[contract.SCORE][0].tolist()
        except grpc.RpcError as err:
            result.note("recommend answers", [f"{asked}: {_told(err)}"])
            return None
        except (KeyError, IndexError, UnicodeDecodeError) as err:
            result.note("recommend answers", [f"{asked}: {err!r} in the answer"])
            return None
        result.note("recommend answers", [])
        if k == self._k:
            result.latencies_ms.append((time.monotonic() - started_s) * 1000.0)
        return lists

    def _ask_beyond_limits(
        self, stub: prediction_service_pb2_grpc.PredictionServiceStub, result: CanaryResult
    ) -> None:
        for k in (0, self._max_k + 1):
            inputs = {contract.USER_ID: [self._data.users[0].user_id], contract.K: np.int32(k)}
            answer = "an answer"
            try:
                self._predict(stub, contract.RECOMMEND, inputs)
            except grpc.RpcError as err:
                refused = err.code() is grpc.StatusCode.INVALID_ARGUMENT
                answer = "" if refused else _told(err)
            problem = [f"k={k} must give INVALID_ARGUMENT. Received: {answer}"] if answer else []
            result.note(f"k={k} is refused", problem)

    def _ask_each_signature(
        self, stub: prediction_service_pb2_grpc.PredictionServiceStub, result: CanaryResult
    ) -> None:
        for name, inputs in sorted(self._signatures(stub).items()):
            check = f"{name} answers"
            try:
                values = {key: self._probe(key, info) for key, info in inputs.items()}
                outputs = self._predict(stub, name, values)
            except grpc.RpcError as err:
                result.note(check, [_told(err)])
                continue
            for key, value in outputs.items():
                if not value.shape or value.shape[0] != _BATCH:
                    result.note(check, [f"{key} must have {_BATCH} rows. Received: {value.shape}"])
                if value.dtype.kind == "f" and not np.isfinite(value).all():
                    result.note(check, [f"{key} must be finite. Received: {value.tolist()}"])
            result.note(check, [])
            if contract.ITEM_ID in outputs:
                listed = [
                    value.decode(errors="replace")
                    for value in outputs[contract.ITEM_ID].ravel().tolist()
                    if isinstance(value, bytes)
                ]
                found = _filtered_problems(f"a request to {name}", listed, self._data.filtered)
                result.note(_FILTERED, found)

    def _signatures(
        self, stub: prediction_service_pb2_grpc.PredictionServiceStub
    ) -> dict[str, Mapping[str, TensorInfo]]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = contract.MODEL_NAME
        try:
            response = stub.GetModelMetadata(request, timeout=self._timeout_s)
        except grpc.RpcError as err:
            raise ServerLostError(f"GetModelMetadata: {_told(err)}") from err
        described = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(described)
        return {
            name: definition.inputs
            for name, definition in described.signature_def.items()
            if not name.startswith("__")  # initialisers, which are not for clients
        }

    def _probe(self, name: str, info: TensorInfo) -> NDArray[Any]:
        shape = [_BATCH if axis.size < 0 else axis.size for axis in info.tensor_shape.dim]
        dtype = tf.dtypes.DType(info.dtype)
        values: list[Any] = [0.5] if dtype.is_floating else [1]
        if name == contract.K:
            values = [self._k]
        elif name == contract.USER_ID:
            values = [user.user_id.encode() for user in self._data.users]
        elif name == contract.EXAMPLES:
            values = list(self._data.queries) or [b""]
        elif name in (contract.ITEM_ID, contract.HISTORY_ITEM_ID, contract.EXCLUDE_ITEM_ID):
            values = [item_id.encode() for item_id in sorted(self._known)] or [b""]
        elif dtype == tf.string:
            values = [b""]
        return np.resize(np.array(values, dtype=dtype.as_numpy_dtype), shape)

    def _predict(
        self,
        stub: prediction_service_pb2_grpc.PredictionServiceStub,
        signature: str,
        inputs: Mapping[str, Any],
    ) -> dict[str, NDArray[Any]]:
        request = predict_request(signature, inputs)
        try:
            response = stub.Predict(request, timeout=self._timeout_s)
        except grpc.RpcError as err:
            if err.code() in _LOST:
                raise ServerLostError(f"{signature}: {_told(err)}") from err
            raise
        return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def report_checks(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Returns `checks` as the report's JSON values."""
    return [asdict(check) for check in checks]


def _summary(problems: Sequence[str]) -> str:
    shown = "; ".join(problems[:_MESSAGES_A_CHECK])
    more = len(problems) - _MESSAGES_A_CHECK
    return f"{shown}; and {more} more" if more > 0 else shown


def _told(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}"


def _texts(row: NDArray[Any]) -> list[str]:
    return [text.decode() for text in row.tolist()]
