"""Writes the page that tells what a run produced and why it was pushed or refused."""

import datetime
import json
import os
from typing import Any

import tensorflow as tf
from tfx.components.util import model_utils
from tfx.dsl.io import fileio
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_split_uri
from tfx.types.standard_artifacts import (
    Examples,
    InfraBlessing,
    Model,
    ModelBlessing,
    ModelEvaluation,
    PushedModel,
)
from tfx.utils import io_utils, path_utils

from components import baseline_model, card_report
from components.annotations import InputArtifact, OutputArtifact, Parameter, component
from components.artifacts import GateReport, ModelCardPage, RejectedRows
from components.card_page import render_page
from components.card_samples import SampleUser, sample_users
from components.evaluation_results import read_evaluation
from components.gate_options import CardOptions
from models import features

METRICS_FILE = "metrics.json"
PAGE_FILE = "index.html"
# By reason, as counts.json has them too.
_REJECTED_KEYS = ("rejected", "rows_rejected")


@component
def ModelCard(  # noqa: N802  TFX names components like classes
    evaluation: InputArtifact[ModelEvaluation],
    model_blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
    serving_report: InputArtifact[GateReport],
    pushed_model: InputArtifact[PushedModel],
    baseline: InputArtifact[Model],
    rejected_interactions: InputArtifact[RejectedRows],
    rejected_items: InputArtifact[RejectedRows],
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    servable_report: InputArtifact[GateReport],
    card: OutputArtifact[ModelCardPage],
    reports_dir: Parameter[str],
    run_id: Parameter[str],
    options_json: Parameter[str],
) -> None:
    """Writes `index.html` and `metrics.json`, and copies both to `reports_dir`/`run_id`.

    Args:
        evaluation: of the candidate and the baseline.
        model_blessing: of the Evaluator.
        infra_blessing: of the serving gate.
        serving_report: the serving gate's `report.json`: {"checks": [{name, passed, message}]}.
        pushed_model: the Pusher's answer.
        baseline: with the custom properties of BaselineResolver.
        rejected_interactions: `counts.json`, and `summary.json` with the counts of the data.
        rejected_items: `counts.json` of the catalogue.
        examples: with the split users.
        model: the candidate.
        servable_report: ServableBuilder's `report.json`: sizes, and the index's recall.
        card: receives the two files.
        reports_dir: folder of all runs' reports.
        run_id: names the run's folder.
        options_json: CardOptions as JSON.
    """
    pushed = pushed_model.get_int_custom_property("pushed") == 1
    report = card_report.build_report(
        run_id,
        read_evaluation(evaluation.uri),
        card_report.Gates(
            evaluation_passed=model_utils.is_model_blessed(model_blessing),
            serving_passed=model_utils.is_infra_validated(infra_blessing),
            serving_report=read_json(os.path.join(serving_report.uri, "report.json")),
            pushed_path=_text(pushed_model, "pushed_destination") if pushed else None,
            pushed_version=_text(pushed_model, "pushed_version") if pushed else None,
            baseline_source=_text(baseline, baseline_model.SOURCE_PROPERTY),
            baseline_reason=_text(baseline, baseline_model.REASON_PROPERTY),
        ),
        data_counts(rejected_interactions.uri, rejected_items.uri),
        read_json(os.path.join(servable_report.uri, "report.json")),
    )
    samples, problem = _samples(
        path_utils.serving_model_path(model.uri),
        get_split_uri([examples], features.USERS_SPLIT),
        CardOptions.model_validate_json(options_json),
    )
    write_card(report, samples, problem, [card.uri, os.path.join(reports_dir, run_id)])


def write_card(
    report: dict[str, Any], samples: list[SampleUser], problem: str, folders: list[str]
) -> None:
    """Writes the page and the numbers into each folder."""
    numbers = json.dumps(report, indent=2, allow_nan=False, ensure_ascii=False)
    page = render_page(report, samples, problem)
    for folder in folders:
        fileio.makedirs(folder)
        io_utils.write_string_file(os.path.join(folder, METRICS_FILE), numbers + "\n")
        io_utils.write_string_file(os.path.join(folder, PAGE_FILE), page)


def data_counts(interactions_uri: str, items_uri: str) -> dict[str, Any]:
    """Returns what the example generators counted.

    Returns:
        `counts`: label to number, and `rejected`: origin to reason to number of rows.
    """
    summary = read_json(os.path.join(interactions_uri, "summary.json"))
    counts: dict[str, Any] = {}
    for name, value in summary.items():
        label = name.replace("_", " ")
        if name.endswith("_timestamp"):
            seconds = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
            counts[label.replace("timestamp", "interaction")] = f"{seconds:%Y-%m-%d %H:%M} UTC"
        elif not isinstance(value, dict):
            counts[label] = value
        elif name not in _REJECTED_KEYS:
            counts.update({f"{label}, {split}": number for split, number in value.items()})
    return {
        "counts": counts,
        "rejected": {
            "interactions": read_json(os.path.join(interactions_uri, "counts.json")),
            "items": read_json(os.path.join(items_uri, "counts.json")),
        },
    }


def read_json(path: str) -> dict[str, Any]:
    """Returns the object in a JSON file, {} where there is no such file."""
    if not fileio.exists(path):
        return {}
    content = json.loads(io_utils.read_string_file(path))
    return content if isinstance(content, dict) else {}


def _text(artifact: Artifact, name: str) -> str:
    return str(artifact.get_string_custom_property(name) or "")


def _samples(model_path: str, users_uri: str, options: CardOptions) -> tuple[list[SampleUser], str]:
    # The card of a servable that does not work must still say why it was refused.
    try:
        samples = sample_users(
            model_path,
            users_uri,
            options.sample_users,
            options.history_length,
            options.list_length,
        )
    except (tf.errors.OpError, KeyError, ValueError, TypeError, OSError) as err:
        return [], f"The model did not answer: {' '.join(str(err).split())[:300]}"
    return samples, ""
