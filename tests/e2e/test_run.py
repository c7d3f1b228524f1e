"""From data to a pushed model, again and again over one output folder."""

import json
import math
import re

# The graph, in an order that its edges allow.
COMPONENTS = {
    "CatalogExampleGen",
    "InteractionExampleGen",
    "StatisticsGen",
    "SchemaFromConfig",
    "InteractionValidator",
    "CatalogueValidator",
    "DataGate",
    "Transform",
    "EarlierRetrievalTrainer",
    "RetrievalTrainer",
    "RankingTrainer",
    "ServableBuilder",
    "BaselineResolver",
    "ServingGate",
    "Evaluator",
    "Pusher",
    "ModelCard",
}
DATA_COMPONENTS = {
    "CatalogExampleGen",
    "InteractionExampleGen",
    "StatisticsGen",
    "SchemaFromConfig",
    "InteractionValidator",
    "CatalogueValidator",
    "DataGate",
    "Transform",
}


def test_pushes_one_version_when_the_output_is_new(first_run):
    assert first_run.code == 0, first_run.out + first_run.err
    (version,) = first_run.versions
    assert f"Pushed version {version}: {first_run.serving / str(version)}\n" in first_run.out


def test_leaves_the_files_of_the_contract_when_it_pushes(first_run):
    bundle = first_run.serving / str(first_run.versions[0])
    assert (bundle / "saved_model.pb").is_file()
    assert (bundle / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0
    assert (first_run.output / "metadata.db").is_file()
    assert (first_run.output / "artifacts").is_dir()
    page = (first_run.reports() / "index.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert first_run.reports().parent == first_run.output / "reports"


def test_lists_every_bound_with_a_verdict_when_it_pushes(first_run):
    report = first_run.metrics()
    assert report["decision"] == "pushed"
    assert report["pushed_version"] == str(first_run.versions[0])
    assert report["baseline"]["source"] == "most_popular"
    bounds = {(bound["metric"], bound["kind"]) for bound in report["thresholds"]}
    assert {("recall@100", "floor"), ("recall@50", "max_drop")} <= bounds
    for bound in report["thresholds"]:
        assert bound["passed"] is True
        assert bound["metric"] in bound["verdict"]
        assert math.isfinite(bound["value"])
    assert f"All {len(report['thresholds'])} bounds on the metrics were kept" in first_run.out


def test_counts_the_data_when_it_reports(first_run):
    counts = first_run.metrics()["data"]["counts"]
    assert (counts["rows read"], counts["rows accepted"]) == (6000, 6000)
    assert (counts["users"], counts["items"]) == (150, 200)
    # Every interaction is in one of the three parts, and every user is asked for.
    parts = ("train", "late", "eval")
    assert sum(counts[f"examples, {part}"] for part in parts) == 6000
    assert counts["examples, queries"] == counts["examples, ranking"] == 150


def test_measures_sensibly_when_it_reports(first_run):
    values = first_run.metrics()["metrics"]["overall"]["candidate"]
    assert 0.0 < values["recall@10"] < values["recall@50"] < values["recall@100"] <= 1.0
    assert 0.0 < values["ndcg@10"] < 1.0
    assert 0.0 < values["catalogue_coverage@10"] <= 1.0
    assert 0.0 < values["rating_rmse"] < 4.5  # the ratings' range is 0.5 to 5


def test_shows_every_component_with_its_time_when_it_runs(first_run):
    assert set(first_run.reused()) == COMPONENTS
    assert not any(first_run.reused().values())
    assert "retrieval: epoch 1 of at most 2, loss " in first_run.out
    timings = json.loads((first_run.reports() / "timings.json").read_text())["components"]
    assert [timing["id"] for timing in timings] == list(first_run.reused())
    assert all(timing["seconds"] >= 0.0 and timing["cached"] is False for timing in timings)


def test_keeps_noise_in_the_log_when_it_runs(first_run):
    assert first_run.err == ""
    noise = re.compile(r"WARNING|INFO|\btensorflow\b|absl|I0000|\.py:\d+", re.IGNORECASE)
    assert [line for line in first_run.out.splitlines() if noise.search(line)] == []
    (log,) = first_run.output.glob("logs/*.log")
    assert log.stem == first_run.reports().name
    assert "INFO" in log.read_text()


def test_reuses_all_but_the_card_when_nothing_changed(first_run, unchanged_run):
    assert unchanged_run.code == 0, unchanged_run.out + unchanged_run.err
    assert {name for name, reused in unchanged_run.reused().items() if not reused} == {"ModelCard"}
    assert set(unchanged_run.reused()) == COMPONENTS
    assert unchanged_run.versions == first_run.versions
    assert f"Unchanged; pushed before as version {first_run.versions[0]}" in unchanged_run.out
    assert unchanged_run.reports() != first_run.reports()
    assert unchanged_run.metrics()["thresholds"] == first_run.metrics()["thresholds"]


def test_reuses_the_data_alone_when_training_changed(unchanged_run, changed_run):
    assert changed_run.code == 0, changed_run.out + changed_run.err
    reused = {name for name, reused in changed_run.reused().items() if reused}
    assert reused == DATA_COMPONENTS
    old, new = changed_run.versions
    assert (old,) == unchanged_run.versions
    assert new > old
    assert f"Pushed version {new}: " in changed_run.out


def test_compares_with_the_last_pushed_model_when_there_is_one(first_run, changed_run):
    report = changed_run.metrics()
    assert report["baseline"]["source"] == f"pushed:{first_run.versions[0]}"
    # The same model on the same data has the same nDCG, as a candidate then and a baseline now.
    was = first_run.metrics()["metrics"]["overall"]["candidate"]["ndcg@10"]
    now = report["metrics"]["overall"]["baseline"]["ndcg@10"]
    assert math.isclose(was, now, abs_tol=1e-6)


def test_pushes_nothing_when_the_model_is_sabotaged(changed_run, sabotaged_run):
    assert sabotaged_run.code == 3, sabotaged_run.out + sabotaged_run.err
    assert sabotaged_run.err == ""
    assert sabotaged_run.versions == changed_run.versions
    assert "Refused: nothing was pushed; what was served before still is." in sabotaged_run.out
    report = sabotaged_run.metrics()
    assert report["decision"] == "refused"
    assert report["pushed_version"] is None
    failed = [bound for bound in report["thresholds"] if not bound["passed"]]
    assert failed
    assert all(bound["verdict"] in sabotaged_run.out for bound in failed)


def test_serves_the_version_pushed_before_when_a_later_one_was_refused(changed_run, answers):
    assert answers["available"] == [changed_run.versions[-1]]
    assert len(answers["known"]["item_id"][0]) == 10
