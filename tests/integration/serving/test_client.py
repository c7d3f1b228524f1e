import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from serving.client import ItemDescription, Recommendation, RecommenderClient
from serving.client_errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ModelNotReadyError,
    ServerTimeoutError,
    ServerUnavailableError,
)
from serving.context import Context
from serving.errors import ServingError
from serving.server import ModelServer, find_base_path, main


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: pytest.TempPathFactory, toy_model: Callable[..., Path]
) -> Iterator[str]:
    base_path = tmp_path_factory.mktemp("recommender")
    (base_path / "4").symlink_to(toy_model())
    server = ModelServer(base_path, port=0, poll_interval_s=0.1)
    with server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def client(target: str) -> Iterator[RecommenderClient]:
    with RecommenderClient(target, timeout_s=10.0) as client:
        client.wait_until_ready(60.0)
        yield client


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[str]:
    with ModelServer(tmp_path, port=0, poll_interval_s=0.1) as server:
        yield f"127.0.0.1:{server.port}"


def test_items_come_with_titles_when_recommended(client: RecommenderClient) -> None:
    # u2 has seen i00 and i01; scores fall by 0.01 from 1.
    first, second = client.recommend("u2", k=2)
    assert first == Recommendation("i02", pytest.approx(0.98), "popular", "Title of i02", ("toy",))
    assert second.item_id == "i03"


def test_each_user_has_a_list_when_several_are_asked_for(client: RecommenderClient) -> None:
    lists = client.recommend_many(["u0", "", "u29"], k=3)
    # u29 has seen all but one of 30 items: the padding is gone.
    ids = [[item.item_id for item in items] for items in lists]
    assert ids == [["i00", "i01", "i02"], ["i00", "i01", "i02"], ["i29"]]


def test_context_reaches_the_model_when_it_is_given(client: RecommenderClient) -> None:
    # u2 has seen i00 and i01; the toy pads what the context leaves out, and scores strengths.
    items = client.recommend("u2", 5, history=["i03"], exclude=["i05", "i06"], diversity=0.5)
    assert [item.item_id for item in items] == ["i02", "i04"]
    assert {item.score for item in items} == {0.5 + 10 * -1.0}  # freshness as configured
    assert client.recommend("u2", 5, exclude_categories=["a", "toy"]) == []


def test_each_user_has_a_context_when_several_are_asked_for(client: RecommenderClient) -> None:
    contexts = [Context(), Context(["i00"], diversity=1.0, freshness=0.0)]
    first, second = client.recommend_many(["u0", "u0"], 2, contexts)
    assert [(item.item_id, item.score) for item in first] == [("i00", -11.0), ("i01", -11.0)]
    assert [(item.item_id, item.score) for item in second] == [("i01", 1.0)]


def test_nothing_is_asked_when_there_is_nothing_to_ask() -> None:
    with RecommenderClient("127.0.0.1:1") as nowhere:
        assert nowhere.recommend_many([]) == []
        assert nowhere.describe([]) == []


def test_list_has_no_source_when_items_are_similar(client: RecommenderClient) -> None:
    items = client.similar("i05", k=3)
    assert [(item.item_id, item.source) for item in items] == [
        ("i00", ""),
        ("i01", ""),
        ("i02", ""),
    ]


def test_categories_lose_their_padding_when_described(client: RecommenderClient) -> None:
    assert client.describe(["i07"]) == [ItemDescription("i07", "Title of i07", ("toy",))]


def test_version_is_the_loaded_one_when_asked_for(client: RecommenderClient) -> None:
    assert client.model_version() == 4


def test_limit_is_told_when_k_is_out_of_range(client: RecommenderClient) -> None:
    with pytest.raises(InvalidRequestError, match=r"^k must be in \[1, 50\]$"):
        client.recommend("u1", k=0)


def test_lists_end_when_catalogue_or_unseen_items_do(client: RecommenderClient) -> None:
    # 30 items in all; u30 has seen each of them.
    assert [len(items) for items in client.recommend_many(["u0", "u29", "u30"], k=50)] == [30, 1, 0]
    assert len(client.similar("i00", k=50)) == 30


def test_server_is_reached_when_environment_names_a_proxy(
    target: str, client: RecommenderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    del client  # it has waited until the model is loaded
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    with RecommenderClient(target) as behind_proxy:
        assert behind_proxy.model_version() == 4


def test_name_is_told_when_server_has_another_model(target: str) -> None:
    with (
        RecommenderClient(target, model_name="other") as client,
        pytest.raises(ModelNotFoundError, match=r"does not have the model: .*Latest\(other\)"),
    ):
        client.recommend("u1")


def test_mend_is_told_when_no_server_is_there() -> None:
    # Nobody listens on port 1.
    with RecommenderClient("127.0.0.1:1") as client:
        message = "No server at 127.0.0.1:1; start one with marquee serve --model-dir DIR"
        with pytest.raises(ServerUnavailableError, match=message):
            client.recommend("u1")
        with pytest.raises(ServerUnavailableError, match=message):
            client.wait_until_ready(0.3)


def test_client_says_so_when_server_has_nothing_loaded(empty_server: str) -> None:
    with RecommenderClient(empty_server) as client:
        with pytest.raises(ModelNotReadyError, match="No version of model recommender is loaded"):
            client.recommend("u1")
        with pytest.raises(ModelNotFoundError, match="Could not find any versions"):
            client.wait_until_ready(0.3)


def test_reason_is_told_when_the_only_version_is_broken(empty_server: str, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    with RecommenderClient(empty_server) as client:
        message = "no version of recommender loaded. version 1: ValueError: .*tagged 'serve'"
        with pytest.raises(ModelNotReadyError, match=message):
            client.wait_until_ready(6.0)


def test_timeout_is_told_when_no_answer_comes() -> None:
    # It accepts connections, and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = f"127.0.0.1:{mute.getsockname()[1]}"
        with (
            RecommenderClient(target, timeout_s=0.2) as client,
            pytest.raises(ServerTimeoutError, match="did not answer in time"),
        ):
            client.recommend("u1")


def test_second_server_fails_when_port_is_taken(target: str, tmp_path: Path) -> None:
    port = int(target.rpartition(":")[2])
    with pytest.raises(ServingError, match=f"Cannot listen on 127.0.0.1:{port}"):
        ModelServer(tmp_path, port=port).start()


def test_stop_may_be_called_twice_when_stopped(tmp_path: Path) -> None:
    server = ModelServer(tmp_path, port=0)
    server.start()
    assert not server.wait(0.01)
    server.stop(0.1)
    server.stop(0.1)
    assert server.wait(0.01)


def test_command_has_plain_defaults_when_called_as_a_function(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit) as caught:
        main(str(tmp_path / "none"))
    assert caught.value.exit_code == 2


def test_base_path_is_found_when_folder_above_is_named(tmp_path: Path) -> None:
    (tmp_path / "recommender" / "1").mkdir(parents=True)
    for name in (tmp_path, tmp_path / "recommender"):
        assert find_base_path(name) == tmp_path / "recommender"


def test_base_path_is_refused_when_a_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ServingError, match="must hold one folder a version"):
        find_base_path(tmp_path)


def test_base_path_is_refused_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="must be a folder"):
        find_base_path(tmp_path / "none")
