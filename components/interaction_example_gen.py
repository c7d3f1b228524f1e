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
    interaction_passes,
    rejects,
    splits,
    staging,
)
from components.annotations import InputArtifact, OutputArtifact, Parameter
from components.artifacts import RejectedRows
from components.beam_annotations import BeamComponentParameter, beam_component
from components.csv_reader import FileChunk
from components.errors import DataError
from components.interaction_passes import ReadPlan
from components.interaction_rows import ColumnPositions
from components.options import DataOptions
from components.splits import Bounds
from models import features
from models.progress import report

BUCKET_BYTES = 2 << 20  # of input a bucket of users: its Examples fit in memory many times
SUMMARY_FILE = "summary.json"
_SUMMARY = "summary"  # staged: item counts and example counts
_KEY = "data.interactions"


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
            is the catalogue with each item's interactions in train and late counted.
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
    example_files.declare_splits(examples, [*interaction_passes.USER_SPLITS, features.ITEMS_SPLIT])
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
    # A Beam pipeline runs once; the second pass takes the settings of the first.
    second = Pipeline(runner=pipeline.runner, options=pipeline._options)
    with staging.folder_in(rejected_uri) as folder:
        plan = plan_reading(data_dir, options, folder)
        report(f"reading {csv_reader.describe(plan.chunks)}")
        interaction_passes.read_pass(pipeline, plan, options, catalogue)
        rejected = rejects.collect(folder)
        rejects.check_rejected(
            rejected, options.max_rejected_fraction, options.interactions.file, rejected_uri
        )
        users, timestamps = _users_and_times(folder)
        report(f"writing the examples of {users:,} users and {len(timestamps):,} interactions")
        bounds = _find_bounds(folder, timestamps, catalogue.ids, options)
        summary_path = os.path.join(folder, _SUMMARY)
        interaction_passes.write_pass(second, folder, options, catalogue, bounds, uri, summary_path)
        item_counts, counts = staging.load(summary_path)
        _check_queries(counts, options)
        rejects.write_rejected(rejected_uri, rejected)
    _write_items(catalogue_uri, uri, item_counts)
    summary = {
        "rows_read": rejected.rows_read,
        "rows_accepted": len(timestamps),
        "rows_rejected": rejected.counts,
        "users": counts[features.USERS_SPLIT],
        "items": len(catalogue.ids),
        "examples": {split: counts[split] for split in interaction_passes.USER_SPLITS},
        "first_timestamp": int(timestamps.min()),
        "last_timestamp": int(timestamps.max()),
    }
    with fileio.open(os.path.join(rejected_uri, SUMMARY_FILE), "w") as file:
        file.write(json.dumps(summary, indent=2) + "\n")


def plan_reading(data_dir: str, options: DataOptions, folder: str) -> ReadPlan:
    """Finds the files and their columns and divides them into chunks.

    Raises:
        DataError: if a file or column is missing.
    """
    columns = options.interactions.columns
    explicit = options.interactions.feedback == "explicit"
    chunks: list[FileChunk] = []
    positions, widths = [], []
    found = csv_reader.find_files(data_dir, options.interactions.file, f"{_KEY}.file")
    for file, (path, name) in enumerate(found):
        header = csv_reader.read_header(path)
        rating = columns.rating if explicit else None
        positions.append(
            ColumnPositions(
                user=header.index(columns.user, path, f"{_KEY}.columns.user"),
                item=header.index(columns.item, path, f"{_KEY}.columns.item"),
                rating=header.index(rating, path, f"{_KEY}.columns.rating") if rating else None,
                timestamp=header.index(columns.timestamp, path, f"{_KEY}.columns.timestamp"),
            )
        )
        widths.append(len(header.columns))
        chunks += csv_reader.plan_chunks(path, name, file, header)
    buckets = 1 + sum(chunk.length for chunk in chunks) // BUCKET_BYTES
    return ReadPlan(chunks, positions, widths, buckets, folder)


def _users_and_times(folder: str) -> tuple[int, NDArray[np.int64]]:
    """How many users there are, and the timestamps of all accepted rows, int64 [n]."""
    users, timestamps = 0, []
    for rows in staging.load_all(folder, interaction_passes.BUCKETS):
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
        buckets = staging.load_all(folder, interaction_passes.BUCKETS)
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


def _write_items(catalogue_uri: str, uri: str, item_counts: NDArray[np.int64]) -> None:
    """Joins the training interactions to the catalogue, so that one transform graph sees both."""
    items = example_files.read_examples(catalogue_uri, features.ITEMS_SPLIT)
    path = example_files.shard_path(uri, features.ITEMS_SPLIT, 0, 1)
    example_files.write_examples(path, example_files.with_interaction_counts(items, item_counts))
