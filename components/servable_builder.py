"""ServableBuilder: one SavedModel from the transform graph, the models and the data."""

import json
from pathlib import Path

from tfx.types import artifact_utils
from tfx.utils import path_utils
from tfx.v1.types.standard_artifacts import Examples, Model, TransformGraph

from components.annotations import InputArtifact, OutputArtifact, Parameter, component
from components.artifacts import GateReport
from components.errors import GateError
from models import features
from models.candidates.options import CandidateOptions
from models.options import IndexOptions, RerankingOptions, ServingOptions
from models.servable_builder import BuildOptions, BuildSources, build_servable
from models.servable_check import ServableError

REPORT_FILE = "report.json"


@component
def ServableBuilder(  # noqa: N802 - TFX names components like classes
    transform_graph: InputArtifact[TransformGraph],
    retrieval: InputArtifact[Model],
    ranker: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transformed_examples: InputArtifact[Examples],
    model: OutputArtifact[Model],
    report: OutputArtifact[GateReport],
    max_history: Parameter[int],
    candidates_json: Parameter[str],
    index_json: Parameter[str],
    reranking_json: Parameter[str],
    serving_json: Parameter[str],
    fingerprint: Parameter[str],
) -> None:
    """Builds the servable and its report.

    Args:
        transform_graph: of Transform.
        retrieval: of the retrieval trainer: the stage that serves.
        ranker: of the ranking trainer.
        examples: of InteractionExampleGen, with the splits items and users.
        transformed_examples: of Transform, with the split items.
        model: the servable.
        report: sizes and the index's recall.
        max_history: items of a history that the user tower reads.
        candidates_json: CandidateOptions.
        index_json: IndexOptions.
        reranking_json: RerankingOptions.
        serving_json: ServingOptions.
        fingerprint: of the code, so that the cache sees a change in it.

    Raises:
        GateError: if the servable fails one of its own checks.
    """
    sources = BuildSources(
        transform_graph=transform_graph.uri,
        retrieval=path_utils.serving_model_path(retrieval.uri),
        ranker=path_utils.serving_model_path(ranker.uri),
        transformed=artifact_utils.get_split_uri([transformed_examples], features.ITEMS_SPLIT),
        items=artifact_utils.get_split_uri([examples], features.ITEMS_SPLIT),
        users=artifact_utils.get_split_uri([examples], features.USERS_SPLIT),
    )
    try:
        built = build_servable(
            sources,
            path_utils.serving_model_dir(model.uri),
            BuildOptions(
                max_history=max_history,
                candidates=CandidateOptions.model_validate_json(candidates_json),
                index=IndexOptions.model_validate_json(index_json),
                reranking=RerankingOptions.model_validate_json(reranking_json),
                serving=ServingOptions.model_validate_json(serving_json),
            ),
        )
    except ServableError as err:
        raise GateError(f"ServableBuilder: {err}") from err
    Path(report.uri).mkdir(parents=True, exist_ok=True)
    Path(report.uri, REPORT_FILE).write_text(json.dumps(built.as_dict(), indent=2) + "\n")
