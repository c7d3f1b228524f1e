import os
import pathlib

import pytest
import tensorflow as tf

from components import baseline_model
from components.errors import GateError
from models import contract


@pytest.fixture
def serving_dir(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "serving"


def write(serving_dir: pathlib.Path, examples, target: pathlib.Path) -> baseline_model.Baseline:
    return baseline_model.write_baseline(
        str(serving_dir),
        os.path.join(examples.uri, "Split-queries"),
        os.path.join(examples.uri, "Split-items"),
        str(target),
    )


def test_version_is_the_highest_number_when_pushes_broke_off(serving_dir: pathlib.Path) -> None:
    for version in ("9", "10", "11", "latest"):
        (serving_dir / version).mkdir(parents=True)
        if version != "11":
            (serving_dir / version / "saved_model.pb").touch()
    assert baseline_model.last_version(str(serving_dir)) == 10


def test_version_is_none_when_nothing_was_pushed(serving_dir: pathlib.Path) -> None:
    assert baseline_model.last_version(str(serving_dir)) is None
    serving_dir.mkdir()
    assert baseline_model.last_version(str(serving_dir)) is None


def test_most_popular_is_written_when_nothing_was_pushed(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, examples, queries
) -> None:
    found = write(serving_dir, examples, tmp_path / "model")
    assert found.source == "most_popular"
    assert "No model has been pushed" in found.reason
    evaluate = tf.saved_model.load(str(tmp_path / "model")).signatures[contract.EVALUATE]
    outputs = evaluate(examples=tf.constant(queries[:1]))
    # u0 has seen i0. The mean rating over users: (1 x 4 + 1 x 2) / 2 ratings = 3.
    assert outputs[contract.RECOMMENDED_ITEM_ID][0, :4].numpy().tolist() == [
        b"i1",
        b"i2",
        b"i3",
        b"i4",
    ]
    assert outputs[contract.CHOSEN_PREDICTED_RATING].numpy().tolist() == [[3.0]]


def test_last_push_is_copied_when_it_answers(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, examples, save_candidate
) -> None:
    save_candidate(serving_dir / "7", "oracle")
    found = write(serving_dir, examples, tmp_path / "model")
    assert found.source == "pushed:7"
    for path in (serving_dir / "7").rglob("*"):
        if path.is_file():
            copied = tmp_path / "model" / path.relative_to(serving_dir / "7")
            assert copied.read_bytes() == path.read_bytes()
            assert copied.stat().st_ino == path.stat().st_ino  # a link: no second copy on disk


def test_model_is_copied_when_links_are_impossible(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("other file system")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "saved_model.pb").write_bytes(b"graph")
    baseline_model.copy_model(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target" / "saved_model.pb").read_bytes() == b"graph"


class _OtherFeatures(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        spec = {"feature_of_old": tf.io.FixedLenFeature([], tf.string)}
        parsed = tf.io.parse_example(examples, spec)
        return {contract.RECOMMENDED_ITEM_ID: parsed["feature_of_old"]}


class _FewOutputs(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        return {contract.RECOMMENDED_ITEM_ID: examples}


@pytest.mark.parametrize(
    ("model", "signature", "reason"),
    [
        (_OtherFeatures, contract.EVALUATE, "feature_of_old"),
        (_FewOutputs, contract.EVALUATE, "lacks catalogue_size, categories_only_item_id, chosen_"),
        (_FewOutputs, "other", "has no signature 'evaluate'"),
    ],
)
def test_most_popular_is_written_when_last_push_cannot_be_evaluated(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, examples, model, signature, reason
) -> None:
    module = model()
    tf.saved_model.save(module, str(serving_dir / "3"), signatures={signature: module.evaluate})
    found = write(serving_dir, examples, tmp_path / "model")
    assert found.source == "most_popular"
    assert "Version 3 was pushed last, but cannot be evaluated" in found.reason
    assert reason in found.reason
    assert "\n" not in found.reason


def test_most_popular_is_written_when_last_push_is_no_model(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, examples
) -> None:
    (serving_dir / "3").mkdir(parents=True)
    (serving_dir / "3" / "saved_model.pb").write_bytes(b"not a graph")
    found = write(serving_dir, examples, tmp_path / "model")
    assert found.source == "most_popular"
    assert "cannot be evaluated" in found.reason


def test_empty_catalogue_is_refused_when_nothing_was_pushed(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, examples, write_split
) -> None:
    write_split(tmp_path / "items", [])
    with pytest.raises(GateError, match="Expected the catalogue's items in .*Received none"):
        baseline_model.write_baseline(
            str(serving_dir),
            os.path.join(examples.uri, "Split-queries"),
            str(tmp_path / "items"),
            str(tmp_path / "model"),
        )


def test_missing_query_is_refused_when_a_push_is_to_be_tried(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, examples, save_candidate, write_split
) -> None:
    save_candidate(serving_dir / "1", "oracle")
    write_split(tmp_path / "queries", [])
    with pytest.raises(GateError, match="at least one query.*Received none"):
        baseline_model.write_baseline(
            str(serving_dir),
            str(tmp_path / "queries"),
            os.path.join(examples.uri, "Split-items"),
            str(tmp_path / "model"),
        )
