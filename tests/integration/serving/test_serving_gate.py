"""Sound and broken models before the gate, each behind a real server."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.artifacts import GateReport
from components.canary import Canary, CanaryData, CanaryUser
from components.serving_gate import ServingGate, judge
from models.options import RerankingOptions
from models.progress import PROGRESS_LOGGER
from serving.client import RecommenderClient
from serving.server import ModelServer

_MAX_K = 50  # as the toy has it
# As the toy has it: u<n> has seen the first n of 30 items.
_ITEMS = [f"i{number:02d}" for number in range(30)]
# The last one has seen the whole catalogue.
_USERS = [CanaryUser(f"u{n}", frozenset(_ITEMS[:n])) for n in (0, 1, 2, 30)]


_DATA = CanaryData(_USERS, [b""], _ITEMS)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples" / "Split-users"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data.gz"), "GZIP") as writer:
        for user in _USERS:
            example = tf.train.Example()
            values = example.features.feature
            values["user_id"].bytes_list.value.append(user.user_id.encode())
            values["seen_item_id"].bytes_list.value.extend(i.encode() for i in sorted(user.seen))
            writer.write(example.SerializeToString())
    return folder.parent


@pytest.fixture
def replay(toy_model: Callable[[str], Path], tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Replays the canary against a flawed toy; returns the message of each failed check."""

    def replay(flaw: str, data: CanaryData = _DATA) -> dict[str, str]:
        (tmp_path / "1").symlink_to(toy_model(flaw))
        with ModelServer(tmp_path, port=0, poll_interval_s=0.1) as server:
            target = f"127.0.0.1:{server.port}"
            with RecommenderClient(target) as client:
                client.wait_until_ready(30.0)
            checks = Canary(target, data, 10, _MAX_K, 10.0).replay().checks()
        return {check.name: check.message for check in checks if not check.passed}

    return replay


@pytest.mark.parametrize(
    ("flaw", "check", "message"),
    [
        ("seen", "nothing seen", "user 'u1' has already seen 'i00'"),
        ("duplicates", "unique items", "user 'u0' gets 'i03' more than once"),
        ("increasing", "sorted", "user 'u0' gets scores that increase"),
        ("short", "full lists", "user 'u0' gets 3 of 10 items, although 'i03' is left"),
        # Enough for a short list, and not for the longest that clients may ask for.
        ("runs_dry", "full lists", "user 'u0' gets 12 of 50 items, although 'i12' is left"),
        ("error", "recommend answers", "INVALID_ARGUMENT: u1 breaks this model"),
        ("any_k", "k=0 is refused", "k=0 must give INVALID_ARGUMENT. Received: an answer"),
    ],
)
def test_the_right_check_fails_when_model_has_a_flaw(
    replay: Callable[[str], dict[str, str]], flaw: str, check: str, message: str
) -> None:
    failed = replay(flaw)
    assert message in failed[check]
    # The probe of each signature asks for u1 too, any k means any, and the item whose place the
    # duplicate takes is never listed.
    related = {
        "error": {
            f"{name} answers" for name in ("recommend", "recommend_with_context", "serving_default")
        },
        "duplicates": {"full lists"},
    }
    assert set(failed) <= {check, "k=51 is refused"} | related.get(flaw, set())


def test_each_signature_is_looked_at_when_a_filtered_item_is_listed(
    replay: Callable[..., dict[str, str]],
) -> None:
    # Who has seen every item gets none, so that only the unknown user's two lists hold the item,
    # and of the probes, which ask for the one who has, that of related items.
    data = CanaryData(_USERS[-1:], [b""], _ITEMS, filtered=frozenset({"i02"}))
    told = "{} gets 'i02', which the filters keep out".format
    assert replay("", data) == {
        "nothing filtered": "; ".join(
            [told("user ''"), told("user ''"), told("a request to similar_items")]
        )
    }


def test_scores_are_refused_when_they_are_no_numbers(
    replay: Callable[[str], dict[str, str]],
) -> None:
    failed = replay("nan")
    assert "user 'u0' gets scores [nan" in failed["finite scores"]
    assert "score must be finite" in failed["recommend answers"]


def _run_component(model: Path, examples: Path, folder: Path, **options: Any) -> tuple[Any, Any]:
    """Calls the component's function as TFX's executor does."""
    artifacts = {
        "model": standard_artifacts.Model(),
        "examples": standard_artifacts.Examples(),
        "blessing": standard_artifacts.InfraBlessing(),
        "report": GateReport(),
    }
    for name, artifact in artifacts.items():
        artifact.uri = str(folder / name)
    (folder / "model").mkdir()
    (folder / "model" / "Format-Serving").symlink_to(model)
    artifacts["examples"].uri = str(examples)
    options = {
        "fingerprint": "",
        "max_k": _MAX_K,
        "reranking_json": "{}",
        "canary_users": 50,
        "k": 10,
        "start_timeout_s": 60,
        "request_timeout_s": 20,
        **options,
    }
    ServingGate.EXECUTOR_SPEC.executor_class._FUNCTION(**artifacts, **options)
    report = json.loads((folder / "report" / "report.json").read_text())
    return artifacts["blessing"], report


def test_model_is_blessed_when_it_is_sound(
    toy_model: Callable[[str], Path],
    examples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    # A proxy of the cluster's must not be asked for a server on this machine. Nobody listens there.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    caplog.set_level(logging.INFO, logger=PROGRESS_LOGGER)
    blessing, report = _run_component(toy_model(""), examples, tmp_path)
    assert report["verdict"] == "blessed"
    assert all(check["passed"] for check in report["checks"]), report
    names = {check["name"] for check in report["checks"]}
    assert {"server loads the model", "rank answers", "server survives"} <= names
    # Four users of the split, and the unknown one.
    assert report["latency"]["count"] == 5
    assert blessing.get_int_custom_property("blessed") == 1
    assert "serving gate: asked for 5 of 5 users" in caplog.messages
    assert (tmp_path / "blessing" / "INFRA_BLESSED").exists()


def _write_items(examples: Path, number: int, flagged: set[int]) -> None:
    """Writes items i00, i01 ..., some of them marked."""
    folder = examples / "Split-items"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "data.gz"), "GZIP") as writer:
        for item in range(number):
            example = tf.train.Example()
            values = example.features.feature
            values["item_id"].bytes_list.value.append(b"i%02d" % item)
            values["item_interaction_count"].float_list.value.append(0.0)
            values["item_flag"].bytes_list.value.extend([b"adult"] if item in flagged else [])
            writer.write(example.SerializeToString())


def _failed(report: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["message"] for check in report["checks"] if not check["passed"]}


def test_model_is_blessed_when_filters_keep_out_what_its_lists_lack(
    toy_model: Callable[[str], Path], examples: Path, tmp_path: Path
) -> None:
    # The toy knows the first 30 of 40 items: with lists of 50, each of the others is missed.
    _write_items(examples, 40, set(range(30, 40)))
    excluding = RerankingOptions(exclude_flags=("adult",)).model_dump_json()
    _, report = _run_component(toy_model(""), examples, tmp_path, reranking_json=excluding)
    assert _failed(report) == {}
    (tmp_path / "without").mkdir()
    _, report = _run_component(toy_model(""), examples, tmp_path / "without")
    assert "although 'i30' is left" in _failed(report)["full lists"]


def test_model_is_refused_when_a_filtered_item_is_listed(
    toy_model: Callable[[str], Path], examples: Path, tmp_path: Path
) -> None:
    _write_items(examples, 30, {2})
    excluding = RerankingOptions(exclude_flags=("adult",)).model_dump_json()
    _, report = _run_component(toy_model(""), examples, tmp_path, reranking_json=excluding)
    failed = _failed(report)
    assert list(failed) == ["nothing filtered"]
    assert "user 'u0' gets 'i02', which the filters keep out" in failed["nothing filtered"]


def test_increasing_scores_pass_when_diversity_makes_the_order(
    toy_model: Callable[[str], Path], examples: Path, tmp_path: Path
) -> None:
    diverse = RerankingOptions(diversity=0.3).model_dump_json()
    _, report = _run_component(toy_model("increasing"), examples, tmp_path, reranking_json=diverse)
    assert report["verdict"] == "blessed", report
    assert "sorted" not in {check["name"] for check in report["checks"]}


@pytest.mark.parametrize(
    ("flaw", "code"), [("crash", "UNAVAILABLE"), ("hang", "DEADLINE_EXCEEDED")]
)
def test_model_is_refused_when_server_is_lost(
    toy_model: Callable[[str], Path], examples: Path, tmp_path: Path, flaw: str, code: str
) -> None:
    blessing, report = _run_component(
        toy_model(flaw), examples, tmp_path, request_timeout_s=3 if flaw == "hang" else 20
    )
    assert report["verdict"] == "refused"
    assert _failed(report)["server survives"].startswith(f"recommend: {code}")
    assert blessing.get_int_custom_property("blessed") == 0
    assert (tmp_path / "blessing" / "INFRA_NOT_BLESSED").exists()


def test_reason_is_told_when_model_cannot_be_loaded(examples: Path, tmp_path: Path) -> None:
    model = tmp_path / "broken"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"")
    result = judge(
        model,
        examples,
        tmp_path / "server.log",
        canary_users=5,
        k=10,
        max_k=_MAX_K,
        reranking=RerankingOptions(),
        start_timeout_s=60.0,
        request_timeout_s=5.0,
    )
    assert not result.blessed
    assert "The model cannot be loaded: ValueError: The SavedModel" in result.checks[0].message


def test_model_is_refused_when_server_is_too_slow(
    toy_model: Callable[[str], Path], examples: Path, tmp_path: Path
) -> None:
    result = judge(
        toy_model(""),
        examples,
        tmp_path / "server.log",
        canary_users=5,
        k=10,
        max_k=_MAX_K,
        reranking=RerankingOptions(),
        start_timeout_s=0.5,
        request_timeout_s=5.0,
    )
    assert [check.passed for check in result.checks] == [False]
    assert "has not loaded the model in time" in result.checks[0].message
