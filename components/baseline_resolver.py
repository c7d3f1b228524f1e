"""Finds the model that a candidate has to measure up to."""

from tfx.types.artifact_utils import get_split_uri
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from components import baseline_model
from components.annotations import InputArtifact, OutputArtifact, Parameter, component
from models import features


@component
def BaselineResolver(  # noqa: N802  TFX names components like classes
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    serving_dir: Parameter[str],
    baseline: OutputArtifact[Model],
) -> None:
    """Copies the last pushed model, or writes a most-popular one where none can be used.

    A TFX resolver would do the first half, but Kubeflow Pipelines does not execute those. The copy
    lets the run's record outlive the pruning of old versions.

    The custom properties of the output say which it is: `source` ("pushed:<version>" or
    "most_popular") and `reason`.

    Args:
        model: the candidate. It is not read: it makes the cache keep this answer for as long as
            the candidate stays the same, and no longer.
        examples: with the splits queries and items.
        serving_dir: where versions are pushed to.
        baseline: receives the SavedModel.
    """
    found = baseline_model.write_baseline(
        serving_dir=serving_dir,
        queries_uri=get_split_uri([examples], features.QUERIES_SPLIT),
        items_uri=get_split_uri([examples], features.ITEMS_SPLIT),
        model_path=path_utils.serving_model_path(baseline.uri),
    )
    baseline.set_string_custom_property(baseline_model.SOURCE_PROPERTY, found.source)
    baseline.set_string_custom_property(baseline_model.REASON_PROPERTY, found.reason)
