"""The tables of a server that has just been started."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.ask import recommend_tables, similar_tables
from serving.client_errors import ServerUnavailableError
from serving.server import ModelServer


@pytest.fixture
def loading(tmp_path: Path, toy_model: Callable[[], Path]) -> Iterator[str]:
    """A server that waits for a second, until a new version's files are surely complete."""
    shutil.copytree(toy_model(), tmp_path / "1")
    with ModelServer(tmp_path, port=0, poll_interval_s=0.1) as server:
        yield f"127.0.0.1:{server.port}"


def test_table_of_recommendations_comes_when_server_is_still_loading(loading: str) -> None:
    (table,) = recommend_tables(["u1"], 3, loading)
    assert table.row_count == 3


def test_table_of_similar_items_comes_when_server_is_still_loading(loading: str) -> None:
    (table,) = similar_tables(["i01"], 3, loading)
    assert table.row_count == 3


def test_nobody_waits_when_there_is_no_server() -> None:
    started_s = time.monotonic()
    with pytest.raises(ServerUnavailableError, match="No server at 127.0.0.1:1"):
        list(recommend_tables(["u1"], 3, "127.0.0.1:1"))
    assert time.monotonic() - started_s < 10.0
