import dataclasses
import json
import math
import os
import pathlib
from html.parser import HTMLParser

import pytest
import tensorflow_model_analysis as tfma
from tfx.types import standard_artifacts

from components.artifacts import GateReport, ModelCardPage, RejectedRows
from components.gate_options import CardOptions
from components.model_card import ModelCard, data_counts

SUMMARY = {
    "rows_read": 9,
    "rows_accepted": 7,
    "rows_rejected": {"bad_rating": 2},
    "users": 3,
    "examples": {"train": 4, "eval": 3},
    "first_timestamp": 0,
}


class TextParser(HTMLParser):
    """Collects the page's text and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " " if tag == "td" else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def artifact(kind: type, root: pathlib.Path, **files: dict[str, object]):
    made = kind()
    made.uri = str(root)
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / f"{name}.json").write_text(json.dumps(content))
    return made


def make_card(root: pathlib.Path, evaluated, pushed: bool) -> tuple[dict[str, object], TextParser]:
    infra = artifact(standard_artifacts.InfraBlessing, root / "infra")
    infra.set_int_custom_property("blessed", 1)
    pushed_model = artifact(standard_artifacts.PushedModel, root / "pushed")
    pushed_model.set_int_custom_property("pushed", int(pushed))
    if pushed:
        pushed_model.set_string_custom_property("pushed_destination", "/serving/42")
        pushed_model.set_string_custom_property("pushed_version", "42")
    checks = [{"name": "answers", "passed": True, "message": ""}]
    report = {"checks": checks, "latency": {"p50_ms": 1.25}}
    card = artifact(ModelCardPage, root / "card")
    ModelCard.test_call(
        evaluation=evaluated.evaluation,
        model_blessing=evaluated.blessing,
        infra_blessing=infra,
        serving_report=artifact(GateReport, root / "gate", report=report),
        pushed_model=pushed_model,
        baseline=evaluated.baseline,
        rejected_interactions=artifact(
            RejectedRows, root / "rows", counts={"bad_rating": 2}, summary=SUMMARY
        ),
        rejected_items=artifact(RejectedRows, root / "items", counts={}),
        examples=evaluated.examples,
        model=evaluated.model,
        servable_report=artifact(GateReport, root / "servable", report={"index_recall": 0.98765}),
        card=card,
        reports_dir=str(root / "reports"),
        run_id="run-1",
        options_json=CardOptions().model_dump_json(),
    )
    for name in ("index.html", "metrics.json"):
        copied = root / "reports" / "run-1" / name
        assert copied.read_bytes() == (pathlib.Path(card.uri) / name).read_bytes()
    page = TextParser()
    page.feed((root / "card" / "index.html").read_text())
    return json.loads((root / "card" / "metrics.json").read_text()), page


@pytest.fixture(scope="module")
def pushed_card(tmp_path_factory: pytest.TempPathFactory, blessed):
    return make_card(tmp_path_factory.mktemp("pushed"), blessed, True)


@pytest.fixture(scope="module")
def refused_card(tmp_path_factory: pytest.TempPathFactory, refused):
    return make_card(tmp_path_factory.mktemp("refused_card"), refused, False)


def test_numbers_are_those_of_tfma_when_written(pushed_card, blessed) -> None:
    metrics, _ = pushed_card
    compared = 0
    for model in ("candidate", "baseline"):
        result = tfma.load_eval_result(blessed.evaluation.uri, model_name=model)
        for key, values in result.slicing_metrics:
            name = ", ".join(f"{feature}={value}" for feature, value in key) or "overall"
            for metric, value in values[""][""].items():
                if "_judged" in metric:  # a twin, for the bounds alone
                    assert metric not in metrics["metrics"][name][model]
                    continue
                number = float(value["doubleValue"])
                expected = number if math.isfinite(number) else None
                assert metrics["metrics"][name][model][metric] == expected
                compared += 1
    # 5 slices; 20 metrics of either model, and the candidate's 20 differences.
    assert compared == 5 * (20 + 20 + 20)


def test_decision_and_thresholds_are_written_when_pushed(pushed_card) -> None:
    metrics, _ = pushed_card
    assert metrics["decision"] == "pushed"
    assert metrics["pushed_path"] == "/serving/42"
    assert metrics["baseline"]["source"] == "most_popular"
    # Five floors, two ceilings, three drops and the lift.
    assert len(metrics["thresholds"]) == 11
    assert all(row["passed"] for row in metrics["thresholds"])
    assert metrics["data"]["rejected"] == {"interactions": {"bad_rating": 2}, "items": {}}


def test_page_says_pushed_first_when_pushed(pushed_card) -> None:
    text = " ".join(pushed_card[1].text.split())
    assert "Pushed All 11 bounds on the metrics were kept" in text
    assert "Version 42 is in /serving/42" in text
    assert "bad_rating 2" in text
    assert "1970-01-01 00:00 UTC" in text
    assert "p50_ms 1.2" in text


def test_page_says_why_first_when_refused(refused_card) -> None:
    metrics, page = refused_card
    assert metrics["decision"] == "refused"
    assert metrics["pushed_path"] is None
    assert len(metrics["reasons"]) == 4
    text = " ".join(page.text.split())
    assert "Refused: nothing was pushed ndcg@10 differs from the baseline by -0.0990" in text
    assert "ndcg@10_lift_over_popular is 0.0000; it must be at least 0.001, which it is not" in text


def test_metrics_come_by_group_when_the_page_is_read(refused_card) -> None:
    text = " ".join(refused_card[1].text.split())
    titles = ["Accuracy", "Ratings", "Cold start", "Beyond accuracy", "Fairness"]
    places = [text.index(f"{title} ") for title in titles]
    assert places == sorted(places)
    # Nobody chose a new item.
    assert "cold_item_recall@100 – –" in text
    assert "exposure_gini@10 less is better" in text
    assert "✗ at least 0.1" in text
    assert "✗ change at least -0.1 of the baseline's" in text
    assert "✓ at most 0.9999" in text


def test_markup_is_shown_as_text_when_titles_hold_some(pushed_card) -> None:
    _, page = pushed_card
    assert "script" not in page.tags
    assert "<script>alert(1)</script> & i1" in page.text


def test_page_needs_nothing_else_when_opened(pushed_card) -> None:
    assert not {"script", "link", "img", "iframe"} & set(pushed_card[1].tags)


def test_card_is_written_when_the_model_cannot_be_asked(
    tmp_path: pathlib.Path, refused, model_artifact
) -> None:
    broken = dataclasses.replace(refused, model=model_artifact(tmp_path / "no_model"))
    _, page = make_card(tmp_path, broken, False)
    assert "The model did not answer:" in page.text


def test_counts_are_empty_when_files_are_missing(tmp_path: pathlib.Path) -> None:
    assert data_counts(os.fspath(tmp_path), os.fspath(tmp_path)) == {
        "counts": {},
        "rejected": {"interactions": {}, "items": {}},
    }


def test_recall_of_the_index_is_shown_when_the_servable_was_measured(pushed_card) -> None:
    metrics, page = pushed_card
    assert metrics["servable"] == {"index_recall": 0.98765}
    assert "index recall 0.988" in " ".join(page.text.split())
