import dataclasses
import json

import pytest
from tfx.dsl.components.base.base_node import BaseNode

from pipeline.config import load_config
from pipeline.dag import RunInputs, create_components

RUN = RunInputs(
    data_dir="/data",
    data_fingerprint="data-1",
    code_fingerprint="code-1",
    serving_dir="/out/serving/recommender",
    reports_dir="/out/reports",
    run_id="run-1",
)
OUR_NODES_WITH_CODE = {
    "CatalogExampleGen",
    "InteractionExampleGen",
    "SchemaFromConfig",
    "DataGate",
    "Transform",
    "EarlierRetrievalTrainer",
    "RetrievalTrainer",
    "RankingTrainer",
    "ServableBuilder",
    "ServingGate",
}
RETRIEVAL_TRAINERS = {"EarlierRetrievalTrainer", "RetrievalTrainer"}
DATA_NODES = {"CatalogExampleGen", "InteractionExampleGen", "SchemaFromConfig"}


def properties(run: RunInputs = RUN, *overrides: str) -> dict[str, str]:
    """What each node's cache key has of its own, as text."""
    nodes = create_components(load_config(overrides=overrides), run)
    return {node.id: json.dumps(node.exec_properties, default=str) for node in nodes}


def changed(run: RunInputs = RUN, *overrides: str) -> set[str]:
    """The nodes whose own part of the cache key differs from the default's."""
    before, after = properties(), properties(run, *overrides)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def ancestors(node: BaseNode) -> set[str]:
    found = set[str]()
    for upstream in node.upstream_nodes:
        found |= {upstream.id} | ancestors(upstream)
    return found


def nodes_by_id() -> dict[str, BaseNode]:
    nodes = create_components(load_config(), RUN)
    # TFX connects nodes by their channels when the pipeline is made.
    for node in nodes:
        for channel in node.inputs.values():
            node.add_upstream_nodes([n for n in nodes if n.id == channel.producer_component_id])
    return {node.id: node for node in nodes}


def test_comes_after_what_it_depends_on_when_listed() -> None:
    nodes = nodes_by_id()
    order = list(nodes)
    for name, node in nodes.items():
        assert all(order.index(other) < order.index(name) for other in ancestors(node)), name


def test_trains_only_behind_the_data_gate_when_nodes_run_as_soon_as_they_can() -> None:
    nodes = nodes_by_id()
    trainers = (*RETRIEVAL_TRAINERS, "RankingTrainer")
    for name in ("Transform", *trainers, "ServableBuilder", "Pusher"):
        assert "DataGate" in ancestors(nodes[name])


def test_ranker_learns_from_the_earlier_models_alone_when_trained() -> None:
    nodes = nodes_by_id()
    assert RETRIEVAL_TRAINERS & ancestors(nodes["RankingTrainer"]) == {"EarlierRetrievalTrainer"}
    earlier = {
        name: json.loads(nodes[name].exec_properties["custom_config"])["earlier"]
        for name in RETRIEVAL_TRAINERS
    }
    assert earlier == {"EarlierRetrievalTrainer": True, "RetrievalTrainer": False}
    # What serves is the later one.
    served = nodes["ServableBuilder"].inputs["retrieval"]
    assert served.producer_component_id == "RetrievalTrainer"


def test_pushes_only_behind_both_gates_when_nodes_run_as_soon_as_they_can() -> None:
    assert {"Evaluator", "ServingGate"} <= ancestors(nodes_by_id()["Pusher"])


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("retrieval.max_epochs=2", RETRIEVAL_TRAINERS),
        ("candidates.fresh=0", RETRIEVAL_TRAINERS | {"RankingTrainer", "ServableBuilder"}),
        ("ranking.max_epochs=2", {"RankingTrainer"}),
        ("seed=3", RETRIEVAL_TRAINERS | {"RankingTrainer"}),
        ("transform.category_slots=8", {"Transform"}),
        # The ranker learns from what an index of the same kind returns.
        ("index.kind=brute_force", {"RankingTrainer", "ServableBuilder"}),
        ("reranking.diversity=0.5", {"ServableBuilder", "ServingGate"}),
        ("serving.candidates=600", {"RankingTrainer", "ServableBuilder"}),
        ("serving.max_k=100", {"ServableBuilder", "ServingGate"}),
        ("gate.min_lift=null", {"Evaluator"}),
        ("canary.users=3", {"ServingGate"}),
        ("card.sample_users=1", {"ModelCard"}),
        ("data.split.eval_fraction=0.3", DATA_NODES),
        ("data.split.late_fraction=0.3", DATA_NODES),
        # The Evaluator measures a gap for each attribute.
        ("data.users.attributes={}", DATA_NODES | {"Transform", "Evaluator"}),
        (
            "data.interactions.columns.position=place",
            DATA_NODES | {"Transform", "RankingTrainer"},
        ),
    ],
)
def test_changes_the_nodes_that_read_it_when_an_option_changes(
    override: str, expected: set[str]
) -> None:
    assert changed(RUN, override) == expected


def test_judges_interactions_and_items_apart_when_validated() -> None:
    nodes = nodes_by_id()
    every = {"train", "late", "eval", "ranking", "queries", "users", "items"}
    judged = {
        name: every - set(json.loads(nodes[name].exec_properties["exclude_splits"]))
        for name in ("StatisticsGen", "InteractionValidator", "CatalogueValidator")
    }
    assert judged == {
        "StatisticsGen": {"train", "late", "eval", "items"},
        "InteractionValidator": {"train", "late", "eval"},
        "CatalogueValidator": {"items"},
    }


def test_changes_every_node_that_runs_our_code_when_the_code_changes() -> None:
    assert changed(dataclasses.replace(RUN, code_fingerprint="code-2")) == OUR_NODES_WITH_CODE


def test_changes_what_reads_files_when_the_data_changes() -> None:
    run = dataclasses.replace(RUN, data_fingerprint="data-2")
    assert changed(run) == {"CatalogExampleGen", "InteractionExampleGen"}


def test_changes_the_card_alone_when_it_is_another_run() -> None:
    assert changed(dataclasses.replace(RUN, run_id="run-2")) == {"ModelCard"}
