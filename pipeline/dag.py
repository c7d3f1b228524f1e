"""The graph, out of TFX's components and ours; the same wherever it runs."""

from dataclasses import dataclass
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode

from components.baseline_resolver import BaselineResolver
from components.catalog_example_gen import CatalogExampleGen
from components.data_gate import DataGate
from components.evaluation import eval_config
from components.interaction_example_gen import InteractionExampleGen
from components.model_card import ModelCard
from components.schema import SchemaFromConfig
from components.servable_builder import ServableBuilder
from components.serving_gate import ServingGate
from models import features
from pipeline.config import Config

TRAINING_SPLITS = (features.TRAIN_SPLIT, features.LATE_SPLIT)
ANALYZED_SPLITS = (*TRAINING_SPLITS, features.ITEMS_SPLIT)
TRANSFORMED_SPLITS = (*ANALYZED_SPLITS, features.RANKING_SPLIT, features.EVAL_SPLIT)
NOT_JUDGED_SPLITS = (features.RANKING_SPLIT, features.QUERIES_SPLIT, features.USERS_SPLIT)


@dataclass(frozen=True)
class RunInputs:
    """What differs from run to run.

    Attributes:
        data_dir: folder of the interactions and the catalogue.
        data_fingerprint: of their content.
        code_fingerprint: of the components' and models' code.
        serving_dir: where versions are pushed to.
        reports_dir: where pages go.
        run_id: names the run.
    """

    data_dir: str
    data_fingerprint: str
    code_fingerprint: str
    serving_dir: str
    reports_dir: str
    run_id: str


def create_components(config: Config, run: RunInputs) -> list[BaseNode]:
    """Returns the graph's nodes, each after those that it depends on."""
    data = _data_nodes(config, run)
    training = _training_nodes(config, run, data)
    gates = _gate_nodes(config, run, data, training)
    return [*data.values(), *training.values(), *gates.values()]


def _data_nodes(config: Config, run: RunInputs) -> dict[str, BaseNode]:
    source = {
        "data_dir": run.data_dir,
        "options_json": config.data.model_dump_json(),
        "fingerprint": f"{run.data_fingerprint}-{run.code_fingerprint}",
    }
    catalogue = CatalogExampleGen(**source)
    interactions = InteractionExampleGen(catalogue=catalogue.outputs["examples"], **source)
    statistics = tfx.components.StatisticsGen(
        examples=interactions.outputs["examples"], exclude_splits=list(NOT_JUDGED_SPLITS)
    )
    schema = SchemaFromConfig(options_json=source["options_json"], fingerprint=run.code_fingerprint)
    interaction_validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["interaction_schema"],
        exclude_splits=[*NOT_JUDGED_SPLITS, features.ITEMS_SPLIT],
    ).with_id("InteractionValidator")
    catalogue_validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["catalogue_schema"],
        exclude_splits=[*NOT_JUDGED_SPLITS, *TRAINING_SPLITS, features.EVAL_SPLIT],
    ).with_id("CatalogueValidator")
    gate = DataGate(
        interaction_anomalies=interaction_validator.outputs["anomalies"],
        catalogue_anomalies=catalogue_validator.outputs["anomalies"],
        interaction_rejected=interactions.outputs["rejected"],
        catalogue_rejected=catalogue.outputs["rejected"],
        fingerprint=run.code_fingerprint,
    )
    return {
        "catalogue": catalogue,
        "interactions": interactions,
        "statistics": statistics,
        "schema": schema,
        "interaction_validator": interaction_validator,
        "catalogue_validator": catalogue_validator,
        "data_gate": gate,
    }


def _training_nodes(
    config: Config, run: RunInputs, data: dict[str, BaseNode]
) -> dict[str, BaseNode]:
    explicit = config.data.interactions.feedback == "explicit"
    positions = config.data.interactions.columns.position is not None
    examples = data["interactions"].outputs["examples"]
    transform = tfx.components.Transform(
        examples=examples,
        schema=data["schema"].outputs["transform_schema"],
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=ANALYZED_SPLITS, transform=TRANSFORMED_SPLITS),
        custom_config={
            "options": config.transform.model_dump(),
            "max_history": config.data.max_history,
            "explicit": explicit,
            "positions": positions,
            "numeric": sorted(config.data.catalogue.numeric),
            "attributes": config.data.attributes,
            "fingerprint": run.code_fingerprint,
        },
        disable_statistics=True,
    )
    # The graph's order says nothing to a cluster that runs nodes as soon as their inputs are there.
    transform.add_upstream_node(data["data_gate"])

    def trainer(node: str, module: str, config_of: dict[str, Any], **inputs: Any) -> BaseNode:
        return tfx.components.Trainer(
            run_fn=f"models.{module}.run_fn",
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            train_args=tfx.proto.TrainArgs(
                splits=[*TRAINING_SPLITS, features.RANKING_SPLIT, features.ITEMS_SPLIT]
            ),
            eval_args=tfx.proto.EvalArgs(splits=[features.EVAL_SPLIT]),
            custom_config={
                **config_of,
                "candidates": config.candidates.model_dump(),
                "explicit": explicit,
                "rating_range": config.data.interactions.rating_range,
                "seed": config.seed,
                "fingerprint": run.code_fingerprint,
            },
            **inputs,
        ).with_id(node)

    retrieval_options = {"options": config.retrieval.model_dump()}
    # The ranker learns to order what models retrieve that do not know the labels yet.
    earlier = trainer(
        "EarlierRetrievalTrainer", "train_retrieval", retrieval_options | {"earlier": True}
    )
    retrieval = trainer(
        "RetrievalTrainer", "train_retrieval", retrieval_options | {"earlier": False}
    )
    ranking = trainer(
        "RankingTrainer",
        "train_ranking",
        {
            "options": config.ranking.model_dump(),
            "index": config.index.model_dump(),
            "size": config.serving.candidates,
            "positions": positions,
        },
        base_model=earlier.outputs["model"],
    )
    servable = ServableBuilder(
        transform_graph=transform.outputs["transform_graph"],
        retrieval=retrieval.outputs["model"],
        ranker=ranking.outputs["model"],
        examples=examples,
        transformed_examples=transform.outputs["transformed_examples"],
        max_history=config.data.max_history,
        candidates_json=config.candidates.model_dump_json(),
        index_json=config.index.model_dump_json(),
        reranking_json=config.reranking.model_dump_json(),
        serving_json=config.serving.model_dump_json(),
        fingerprint=run.code_fingerprint,
    )
    return {
        "transform": transform,
        "earlier": earlier,
        "retrieval": retrieval,
        "ranking": ranking,
        "servable": servable,
    }


def _gate_nodes(
    config: Config, run: RunInputs, data: dict[str, BaseNode], training: dict[str, BaseNode]
) -> dict[str, BaseNode]:
    examples = data["interactions"].outputs["examples"]
    model = training["servable"].outputs["model"]
    baseline = BaselineResolver(model=model, examples=examples, serving_dir=run.serving_dir)
    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["baseline"],
        eval_config=eval_config(
            config.gate, config.data.interactions.feedback, config.data.attributes
        ),
        example_splits=[features.QUERIES_SPLIT],
        module_path="components.evaluation_models",
    )
    serving_gate = ServingGate(
        model=model,
        examples=examples,
        canary_users=config.canary.users,
        start_timeout_s=config.canary.start_timeout_s,
        max_k=config.serving.max_k,
        reranking_json=config.reranking.model_dump_json(),
        fingerprint=run.code_fingerprint,
    )
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_gate.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=run.serving_dir)
        ),
    )
    card = ModelCard(
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_gate.outputs["blessing"],
        serving_report=serving_gate.outputs["report"],
        pushed_model=pusher.outputs["pushed_model"],
        baseline=baseline.outputs["baseline"],
        rejected_interactions=data["interactions"].outputs["rejected"],
        rejected_items=data["catalogue"].outputs["rejected"],
        examples=examples,
        model=model,
        servable_report=training["servable"].outputs["report"],
        reports_dir=run.reports_dir,
        run_id=run.run_id,
        options_json=config.card.model_dump_json(),
    )
    return {
        "baseline": baseline,
        "evaluator": evaluator,
        "serving_gate": serving_gate,
        "pusher": pusher,
        "card": card,
    }
