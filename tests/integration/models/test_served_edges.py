"""The built servable behind a running server, at the edges of what may be asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from components.canary import Canary, read_canary_data
from models.requests import predict_request
from serving.client import RecommenderClient
from serving.server import ModelServer

CATALOGUE = [f"i{item:02d}" for item in range(40)]
MAX_K = 100


@pytest.fixture(scope="module")
def target(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    base_path = tmp_path_factory.mktemp("recommender")
    (base_path / "1").symlink_to(built.path)
    with ModelServer(base_path, port=0, poll_interval_s=0.1) as server:
        address = f"127.0.0.1:{server.port}"
        with RecommenderClient(address) as client:
            client.wait_until_ready()
        yield address


def ask(target: str, signature: str, **inputs: Any) -> dict[str, Any]:
    with grpc.insecure_channel(target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(predict_request(signature, inputs), timeout=30.0).outputs
    return {name: tf.make_ndarray(value) for name, value in outputs.items()}


def test_all_unseen_items_are_listed_when_k_is_larger_than_the_catalogue(
    built: Any, target: str
) -> None:
    seen = {item.decode() for item in built.world.raw["users"][0]["seen_item_id"]}
    with RecommenderClient(target) as client:
        known, unknown = client.recommend_many(["u00", "nobody"], MAX_K)
        similar = client.similar("i00", MAX_K)
    assert sorted(item.item_id for item in known) == sorted(set(CATALOGUE) - seen)
    assert sorted(item.item_id for item in unknown) == CATALOGUE
    assert sorted(item.item_id for item in similar) == CATALOGUE[1:]


def test_list_is_empty_when_the_history_is_the_whole_catalogue(target: str) -> None:
    nothing = np.array([[b""]], dtype=object)
    found = ask(
        target,
        "recommend_with_context",
        user_id=["nobody"],
        k=5,
        history_item_id=[CATALOGUE],
        exclude_item_id=nothing,
        exclude_category=nothing,
        diversity=[0.0],
        freshness=[0.0],
    )
    assert found["item_id"].tolist() == [[b""] * 5]
    assert found["score"].tolist() == [[0.0] * 5]
    assert found["source"].tolist() == [[b""] * 5]


@pytest.mark.parametrize("signature", ["recommend", "serving_default", "retrieve"])
def test_answer_has_no_rows_when_nobody_is_asked_for(target: str, signature: str) -> None:
    found = ask(target, signature, user_id=np.array([], dtype=object), k=3)
    assert {name: value.shape for name, value in found.items()} == {
        "item_id": (0, 3),
        "score": (0, 3),
        "source": (0, 3),
    }


def test_canary_finds_nothing_wrong_when_the_longest_lists_are_asked_for(
    built: Any, target: str
) -> None:
    examples = Path(built.world.folder, "raw")
    data = read_canary_data(examples, 21, MAX_K)
    assert (len(data.users), len(data.item_ids)) == (21, 40)
    checks = Canary(target, data, 10, MAX_K, 30.0).replay().checks()
    assert {check.name: check.message for check in checks if not check.passed} == {}
