"""A typed client of the served recommender."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from models import contract
from models.requests import predict_request
from serving.channel import open_channel
from serving.client_errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ModelNotReadyError,
    ServerUnavailableError,
    from_rpc_error,
)
from serving.context import Context, context_inputs
from serving.defaults import TARGET

DEFAULT_TIMEOUT_S = 5.0
_READY_POLL_S = 0.2
_MAX_INT32 = 2**31 - 1  # what the signatures take k as
_OPTIONS = (
    # A server that is just starting is found within a second, not after gRPC's growing pauses.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class ItemDescription:
    """What the catalogue says of an item; both fields are empty for an unknown one."""

    item_id: str
    title: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Recommendation:
    """One entry of a list.

    Attributes:
        item_id: the item.
        score: higher is better; comparable within one list only.
        source: the generator that nominated the item, "" in a list of similar items.
        title: from the catalogue.
        categories: from the catalogue.
    """

    item_id: str
    score: float
    source: str
    title: str
    categories: tuple[str, ...]


class RecommenderClient:
    """Asks a model server; safe to share between threads. Close it, or use it in a `with`.

    Every method but `close` raises a `ClientError` whose message says how to mend it.
    """

    def __init__(
        self,
        target: str = TARGET,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        model_name: str = contract.MODEL_NAME,
    ) -> None:
        """Prepares a connection, which is made by the first request.

        Args:
            target: HOST:PORT of the server.
            timeout_s: how long one call may take.
            model_name: the name under which the server offers the model.
        """
        self._target = target
        self._timeout_s = timeout_s
        self._model_name = model_name
        self._channel = open_channel(target, _OPTIONS)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        *,
        history: Sequence[str] = (),
        exclude: Sequence[str] = (),
        exclude_categories: Sequence[str] = (),
        diversity: float | None = None,
        freshness: float | None = None,
    ) -> list[Recommendation]:
        """Returns at most `k` items for a user, best first.

        Args:
            user_id: the user; "" or an unknown one is fine.
            k: length of the list, from 1 to the model's limit.
            history: see `Context`, as for all that follow.
            exclude: ids of items.
            exclude_categories: names of categories.
            diversity: from 0 to 1; None is what the model is configured with.
            freshness: likewise.
        """
        context = Context(history, exclude, exclude_categories, diversity, freshness)
        return self.recommend_many([user_id], k, [context])[0]

    def recommend_many(
        self, user_ids: Sequence[str], k: int = 10, contexts: Sequence[Context] | None = None
    ) -> list[list[Recommendation]]:
        """Returns a list for each user, in one request for all.

        Args:
            user_ids: the users; "" or an unknown one is fine.
            k: length of the lists, from 1 to the model's limit.
            contexts: one for each user; None where there is nothing to say of anyone.
        """
        if contexts is not None and len(contexts) != len(user_ids):
            raise InvalidRequestError(
                f"contexts must be one for each of {len(user_ids)} users. Received: "
                f"{len(contexts)}. Give Context() to a user without one."
            )
        if not user_ids:
            return []
        users = {contract.USER_ID: _texts(user_ids)}
        if contexts is None or all(context.is_empty for context in contexts):
            return self._lists(contract.RECOMMEND, users, k)
        inputs = {**users, **context_inputs(contexts)}
        return self._lists(contract.RECOMMEND_WITH_CONTEXT, inputs, k)

    def similar(self, item_id: str, k: int = 10) -> list[Recommendation]:
        """Returns at most `k` items related to `item_id`, most similar first."""
        inputs = {contract.ITEM_ID: _texts([item_id])}
        return self._lists(contract.SIMILAR_ITEMS, inputs, k)[0]

    def describe(self, item_ids: Sequence[str]) -> list[ItemDescription]:
        """Returns what the catalogue says of each item, in the order given."""
        if not item_ids:
            return []
        outputs = self._predict(contract.DESCRIBE_ITEMS, {contract.ITEM_ID: _texts(item_ids)})
        titles = _decoded(outputs[contract.TITLE])
        categories = outputs[contract.CATEGORY]
        return [
            ItemDescription(item_id, title, tuple(name for name in _decoded(row) if name))
            for item_id, title, row in zip(item_ids, titles, categories, strict=True)
        ]

    def model_version(self) -> int:
        """Returns the version that answers now."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model_name
        status = self._call(lambda: self._models.GetModelStatus(request, timeout=self._timeout_s))
        available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        loaded = [v.version for v in status.model_version_status if v.state == available]
        if not loaded:
            reasons = [
                f"version {v.version}: {v.status.error_message}"
                for v in status.model_version_status
                if v.status.error_message
            ]
            raise ModelNotReadyError(
                f"The server at {self._target} has no version of {self._model_name} loaded. "
                f"{'; '.join(reasons) or 'Wait until it is, or push a model: marquee run.'}"
            )
        return max(loaded)

    def wait_until_ready(self, timeout_s: float = 60.0) -> int:
        """Waits until a version is loaded, and returns it.

        Raises:
            ServerUnavailableError: if there is no server within `timeout_s` seconds.
            ModelNotReadyError: if there is one, and it could load no version.
            ModelNotFoundError: if there is one, and it has found no version.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                return self.model_version()
            # A server that has not yet looked at its folder knows no version of any model.
            except (ServerUnavailableError, ModelNotFoundError):
                if time.monotonic() + _READY_POLL_S > deadline_s:
                    raise
            time.sleep(_READY_POLL_S)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> "RecommenderClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _lists(
        self, signature: str, inputs: Mapping[str, ArrayLike], k: int
    ) -> list[list[Recommendation]]:
        # Numpy would wrap it round to some other number, which the server cannot tell from k.
        if abs(k) > _MAX_INT32:
            raise InvalidRequestError(
                f"k must be between 1 and the model's limit, serving.max_k. Received: {k}. "
                "Ask for fewer."
            )
        outputs = self._predict(signature, {**inputs, contract.K: np.int32(k)})
        item_ids = [_decoded(row) for row in outputs[contract.ITEM_ID]]
        scores = outputs[contract.SCORE].tolist()
        sources = [[""] * len(row) for row in item_ids]
        if contract.SOURCE in outputs:
            sources = [_decoded(row) for row in outputs[contract.SOURCE]]
        found = {item_id: None for row in item_ids for item_id in row if item_id}
        described = {item.item_id: item for item in self.describe(list(found))}
        return [
            [
                Recommendation(
                    item_id,
                    score,
                    source,
                    described[item_id].title,
                    described[item_id].categories,
                )
                # Rows are padded with "" to k entries.
                for item_id, score, source in zip(*columns, strict=True)
                if item_id
            ]
            for columns in zip(item_ids, scores, sources, strict=True)
        ]

    def _predict(
        self, signature: str, inputs: Mapping[str, ArrayLike]
    ) -> dict[str, NDArray[np.generic]]:
        request = predict_request(signature, inputs, self._model_name)
        response = self._call(lambda: self._predictions.Predict(request, timeout=self._timeout_s))
        return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}

    def _call(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            return call()
        except grpc.RpcError as err:
            raise from_rpc_error(err, self._target) from err


def _texts(ids: Sequence[str]) -> NDArray[np.object_]:
    return np.array([text.encode() for text in ids], dtype=object)


def _decoded(row: NDArray[np.generic]) -> list[str]:
    return [text.decode() for text in row.tolist()]
