import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from models.requests import predict_request
from models.warmup import write_warmup_requests
from serving.errors import RequestError
from serving.model_manager import ModelManager

_Push = Callable[[int], Path]


@pytest.fixture
def swaps() -> list[str]:
    return []


@pytest.fixture
def manager(tmp_path: Path, swaps: list[str]) -> ModelManager:
    return ModelManager(tmp_path, "toy", 0.01, lambda: swaps.append("swap"), settle_s=0.0)


def _break(version: Path) -> None:
    (version / "variables" / "variables.index").unlink()


def test_nothing_is_served_when_no_version_is_there(manager: ModelManager) -> None:
    manager.poll()
    with pytest.raises(RequestError, match="No version of model toy is loaded yet") as caught:
        manager.current()
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert manager.states() == {}


def test_newest_is_served_when_several_are_there(
    manager: ModelManager, push: _Push, swaps: list[str]
) -> None:
    push(2)
    push(10)
    manager.poll()
    assert manager.current().number == 10
    assert swaps == ["swap"]
    # The older one is not asked for, so nothing is known of it.
    assert {n: s.state for n, s in manager.states().items()} == {10: ModelVersionStatus.AVAILABLE}


def test_version_is_not_found_when_another_is_loaded(manager: ModelManager, push: _Push) -> None:
    push(2)
    manager.poll()
    assert manager.current(2).number == 2
    message = r"Servable not found for request: Specific\(toy, 1\)"
    with pytest.raises(RequestError, match=message) as caught:
        manager.current(1)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_new_version_takes_over_when_it_appears(manager: ModelManager, push: _Push) -> None:
    push(1)
    manager.poll()
    push(2)
    manager.poll()
    assert manager.current().number == 2
    states = {number: state.state for number, state in manager.states().items()}
    assert states == {1: ModelVersionStatus.END, 2: ModelVersionStatus.AVAILABLE}


def test_good_version_stays_when_new_one_is_broken(
    manager: ModelManager, push: _Push, caplog: pytest.LogCaptureFixture
) -> None:
    push(1)
    manager.poll()
    _break(push(2))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            manager.poll()
    assert manager.current().number == 1
    assert manager.states()[2].state == ModelVersionStatus.END
    assert manager.states()[2].code != 0
    assert [record.getMessage()[:35] for record in caplog.records] == [
        "Version 2 of toy cannot be served ("
    ]


def test_older_version_is_served_when_newest_is_broken_at_start(
    manager: ModelManager, push: _Push
) -> None:
    push(1)
    _break(push(2))
    manager.poll()
    assert manager.current().number == 1


def test_broken_version_is_served_when_its_files_are_mended(
    manager: ModelManager, push: _Push, saved_model: Path
) -> None:
    broken = push(2)
    _break(broken)
    manager.poll()
    shutil.copytree(saved_model, broken, dirs_exist_ok=True)
    manager.poll()
    assert manager.current().number == 2


def test_failed_version_is_tried_again_when_its_time_has_come(tmp_path: Path, push: _Push) -> None:
    eager = ModelManager(tmp_path, "toy", 0.01, settle_s=0.0, retry_s=0.0)
    patient = ModelManager(tmp_path, "toy", 0.01, settle_s=0.0, retry_s=3600.0)
    elsewhere = tmp_path / "kept"
    version = push(1)
    # A link to a folder elsewhere: the version's own listing stays as it is while the folder that
    # holds its variables goes and comes back.
    shutil.move(version / "variables", elsewhere)
    (version / "variables").symlink_to(elsewhere)
    elsewhere.rename(tmp_path / "away")
    eager.poll()
    patient.poll()
    (tmp_path / "away").rename(elsewhere)
    eager.poll()
    patient.poll()
    assert eager.current().number == 1
    with pytest.raises(RequestError, match="No version"):
        patient.current()


def test_version_is_refused_when_its_warm_up_fails(manager: ModelManager, push: _Push) -> None:
    write_warmup_requests(push(1), [predict_request("", {"user_id": ["u"], "k": 99})])
    manager.poll()
    assert manager.states()[1].message == "RequestError: k must be at most 10."


def test_older_version_returns_when_newest_is_removed(manager: ModelManager, push: _Push) -> None:
    push(1)
    newest = push(2)
    manager.poll()
    shutil.rmtree(newest)
    manager.poll()
    assert manager.current().number == 1


def test_last_version_stays_when_all_are_removed(
    manager: ModelManager, push: _Push, caplog: pytest.LogCaptureFixture
) -> None:
    only = push(1)
    manager.poll()
    shutil.rmtree(only)
    manager.poll()
    manager.poll()
    assert manager.current().number == 1
    assert [r.getMessage().split(" in ")[0] for r in caplog.records] == ["No version of toy"]


def test_version_waits_when_its_files_have_just_changed(tmp_path: Path, push: _Push) -> None:
    manager = ModelManager(tmp_path, "toy", 0.01, settle_s=3600.0)
    version = push(1)
    manager.poll()
    assert manager.states()[1].state == ModelVersionStatus.START
    shutil.rmtree(version)
    manager.poll()
    assert manager.states() == {}


def test_version_stays_usable_when_another_took_over(manager: ModelManager, push: _Push) -> None:
    push(1)
    manager.poll()
    held = manager.current()
    push(2)
    manager.poll()
    request = predict_request("", {"user_id": ["u"], "k": 1})
    assert held.number == 1
    assert sorted(held.predict("", request.inputs)) == ["item_id", "score"]


def test_watching_goes_on_when_a_look_fails(
    tmp_path: Path, push: _Push, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def fail_at_first() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise RuntimeError("a defect of ours")

    push(1)
    manager = ModelManager(tmp_path, "toy", 0.01, fail_at_first, settle_s=0.0)
    manager.start()
    try:
        _wait_until(lambda: len(calls) == 1)
        push(2)
        _wait_until(lambda: len(calls) == 2)
    finally:
        manager.stop()
    assert manager.current().number == 2
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "a defect of ours" in str(record.exc_info)
    assert record.levelno == logging.ERROR


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline_s, "not within 20 s"
        time.sleep(0.01)
