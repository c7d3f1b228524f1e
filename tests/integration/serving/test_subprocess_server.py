from collections.abc import Callable
from pathlib import Path

import pytest

from serving.client import RecommenderClient
from serving.client_errors import ServerUnavailableError
from serving.subprocess_server import ServerFailedError, running_server


def test_model_is_loaded_when_the_block_begins(
    toy_model: Callable[[], Path], tmp_path: Path
) -> None:
    (tmp_path / "1").symlink_to(toy_model())
    log = tmp_path / "logs" / "serve.log"
    with running_server(tmp_path, log) as target, RecommenderClient(target) as client:
        assert client.model_version() == 1
    assert "Serving version 1 of recommender" in log.read_text()
    with (
        RecommenderClient(target) as client,
        pytest.raises(ServerUnavailableError, match="No server"),
    ):
        client.model_version()


def test_log_is_quoted_when_server_ends(tmp_path: Path) -> None:
    message = r"ended with exit code 2. The end of .*/log:\n(.|\n)*--model-dir must be a folder"
    with (
        pytest.raises(ServerFailedError, match=message),
        running_server(tmp_path / "none", tmp_path / "log"),
    ):
        pytest.fail("there is nothing to serve")


def test_waiting_ends_when_no_model_is_there(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailedError, match="has loaded no model within 0.3 s"),
        running_server(tmp_path, tmp_path / "log", timeout_s=0.3),
    ):
        pytest.fail("there is nothing to serve")
