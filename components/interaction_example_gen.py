"""InteractionExampleGen: reads interactions into Examples with honest, point-in-time features."""

import json
import os
from collections import Counter

import numpy as np
from apache_beam.pipeline import Pipeline
from numpy.typing import NDArray
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Examples

from components import (
    csv_reader,
    example_files,
    interaction_draws,
    item_examples,
    profile_pass,
    read_pass,
    rejects,
    splits,
    staging,
    write_pass,
)
from components.annotations import InputArtifact, OutputArtifact, Parameter
from components.artifacts import RejectedRows
from components.beam_annotations import BeamComponentParameter, beam_component
from components.errors import DataError
from components.example_files import Catalogue
from components.options import DataOptions
from components.rejects import Rejections
from components.splits import Bounds
from models import features
from models.progress import report

SUMMARY_FILE = "summary.json"
_SUMMARY = "summary"  # staged: item statistics and example counts
_PROFILE_REJECTS = "profile-rejects"  # a folder beside what was staged of the interactions


@beam_component
def InteractionExampleGen(  # noqa: N802  TFX names components like classes
    catalogue: InputArtifact[Examples],
    examples: OutputArtifact[Examples],
    rejected: OutputArtifact[RejectedRows],
    data_dir: Parameter[str],
    options_json: Parameter[str],
    fingerprint: Parameter[str],
    beam_pipeline: BeamComponentParameter[Pipeline] = None,
) -> None:
    """Reads the interactions of `data_dir` and divides them into splits.

    Args:
        catalogue: output of CatalogExampleGen.
        examples: receives the splits train, late, eval, ranking, queries, users and items; the last
            is the catalogue with each item's interactions in train and late counted, and its age.
        rejected: receives the rows left out, and `summary.json`: what was read, and what became
            of it.
        data_dir: the folder that the file pattern in the options is relative to.
        options_json: `DataOptions` as JSON.
        fingerprint: says what is in the files and the code. It is not read: it is a part of the
            cache key, which would otherwise not notice new contents.
        beam_pipeline: made by TFX.

    Raises:
        DataError: if a file or column is missing, too many rows are unusable, or the split leaves
            no user to evaluate on.
    """
    options = DataOptions.model_validate_json(options_json)
    example_files.declare_splits(examples, [*write_pass.USER_SPLITS, features.ITEMS_SPLIT])
    write_interactions(beam_pipeline, catalogue.uri, data_dir, options, examples.uri, rejected.uri)


def write_interactions(
    pipeline: Pipeline,
    catalogue_uri: str,
    data_dir: str,
    options: DataOptions,
    uri: str,
    rejected_uri: str,
) -> None:
    """Does the component's work with plain folders.

    Raises:
        DataError: if a file or column is missing, too many rows are unusable, or the split leaves
            no user to evaluate on.
    """
    catalogue = example_files.read_catalogue(catalogue_uri)
    with staging.folder_in(rejected_uri) as folder:
        rejected = _read(pipeline, data_dir, options, catalogue, folder, rejected_uri)
        users, timestamps = _users_and_times(folder)
        report(f"writing the examples of {users:,} users and {len(timestamps):,} interactions")
        bounds = _find_bounds(folder, timestamps, catalogue.ids, options)
        path = os.path.join(folder, _SUMMARY)
        write_pass.write_user_examples(
            _another(pipeline), folder, options, catalogue, bounds, uri, path
        )
        statistics, counts = staging.load(path)
        _check_queries(counts, options)
        rejects.write_rejected(rejected_uri, *rejected)
    newest = int(timestamps.max())
    items = example_files.read_examples(catalogue_uri, features.ITEMS_SPLIT)
    example_files.write_examples(
        example_files.shard_path(uri, features.ITEMS_SPLIT, 0, 1),
        item_examples.with_statistics(items, statistics, newest),
    )
    interactions, profiles = rejected
    summary = {
        "rows_read": interactions.rows_read,
        "rows_accepted": len(timestamps),
        "rows_rejected": interactions.counts,
        "profile_rows_read": profiles.rows_read,
        "profile_rows_rejected": profiles.counts,
        "users": counts[features.USERS_SPLIT],
        "items": len(catalogue.ids),
        "examples": {split: counts[split] for split in write_pass.USER_SPLITS},
        "first_timestamp": int(timestamps.min()),
        "last_timestamp": newest,
    }
    with fileio.open(os.path.join(rejected_uri, SUMMARY_FILE), "w") as file:
        file.write(json.dumps(summary, indent=2) + "\n")


def _read(
    pipeline: Pipeline,
    data_dir: str,
    options: DataOptions,
    catalogue: Catalogue,
    folder: str,
    rejected_uri: str,
) -> tuple[Rejections, Rejections]:
    """Reads interactions and profiles into `folder`, and says what both left out."""
    apart = os.path.join(folder, _PROFILE_REJECTS)
    fileio.makedirs(apart)
    profile_plan = profile_pass.plan_profiles(data_dir, options)
    plan = read_pass.plan_reading(data_dir, options, profile_plan.length, folder)
    report(f"reading {csv_reader.describe(profile_plan.chunks + plan.chunks)}")
    most = options.max_rejected_fraction
    if options.users and profile_plan.files:
        profile_pass.read_profiles(_another(pipeline), profile_plan, plan.buckets, folder, apart)
        rejects.check_rejected(rejects.collect(apart), most, options.users.file, rejected_uri)
    read_pass.read_interactions(pipeline, plan, options, catalogue)
    rejected = rejects.collect(folder)
    rejects.check_rejected(rejected, most, options.interactions.file, rejected_uri)
    return rejected, rejects.collect(apart)


def _another(pipeline: Pipeline) -> Pipeline:
    """A pipeline with the same settings: each runs once."""
    return Pipeline(runner=pipeline.runner, options=pipeline._options)


def _users_and_times(folder: str) -> tuple[int, NDArray[np.int64]]:
    """How many users there are, and the timestamps of all accepted rows, int64 [n]."""
    users, timestamps = 0, []
    for rows in staging.load_all(folder, read_pass.BUCKETS):
        users += len(rows.users)
        timestamps.append(rows.timestamp)
    return users, np.concatenate(timestamps)


def _find_bounds(
    folder: str, timestamps: NDArray[np.int64], ids: list[str], options: DataOptions
) -> Bounds:
    """What the strategy must know of all users."""
    if options.split.strategy == "global_time":
        return splits.time_bounds(timestamps, options.split)
    if options.split.strategy == "random_per_item":
        buckets = staging.load_all(folder, read_pass.BUCKETS)
        return interaction_draws.find_bounds(buckets, ids, options.split, options.seed)
    return Bounds()


def _check_queries(counts: Counter[str], options: DataOptions) -> None:
    if not counts[features.QUERIES_SPLIT]:
        split = options.split
        raise DataError(
            f"{options.interactions.file}: expected at least one user with interactions in "
            f"training and in eval. Found none among {counts[features.USERS_SPLIT]} users with "
            f"data.split.strategy {split.strategy} and eval_fraction {split.eval_fraction}. "
            "Deliver more interactions a user, or choose another split."
        )
