"""The two Beam passes of InteractionExampleGen.

The first reads the files into one packed file for each bucket of users, free of duplicates. The
second divides the buckets into splits and writes the Examples. Between the two, the rejected rows
are judged and the bounds of a split that is not per user are found.
"""

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.pipeline import Pipeline
from apache_beam.transforms import combiners
from numpy.typing import NDArray

from components import (
    csv_reader,
    example_files,
    interaction_rows,
    rejects,
    splits,
    staging,
    user_features,
    user_slices,
)
from components.csv_reader import FileChunk
from components.example_files import Catalogue
from components.interaction_rows import ColumnPositions, Interactions
from components.options import DataOptions
from components.splits import Bounds
from components.user_slices import Thirds
from components.user_state import UserRows
from models import features

BUCKETS = "bucket-"  # staged: Interactions by user and time, one file a bucket
USER_SPLITS = (
    features.TRAIN_SPLIT,
    features.LATE_SPLIT,
    features.EVAL_SPLIT,
    features.RANKING_SPLIT,
    features.QUERIES_SPLIT,
    features.USERS_SPLIT,
)


@dataclass(frozen=True)
class ReadPlan:
    """How to read the files: chunks, and for each file the columns and the number of fields."""

    chunks: list[FileChunk]
    positions: list[ColumnPositions]
    widths: list[int]
    buckets: int
    folder: str


def read_pass(
    pipeline: Pipeline, plan: ReadPlan, options: DataOptions, catalogue: Catalogue
) -> None:
    """Reads the files into `plan.folder`: packed buckets and rejected rows."""
    with pipeline as p:
        items = beam.pvalue.AsSingleton(p | "Catalogue" >> beam.Create([catalogue.index()]))
        _ = (
            p
            | "Chunks" >> beam.Create(plan.chunks)
            | "Spread" >> beam.Reshuffle()
            | "Parse" >> beam.ParDo(_ParseChunk(plan, options), items)
            | "ByBucket" >> beam.GroupByKey()
            | "Merge" >> beam.ParDo(_MergeBucket(plan))
        )


def write_pass(
    pipeline: Pipeline,
    folder: str,
    options: DataOptions,
    catalogue: Catalogue,
    bounds: Bounds,
    uri: str,
    summary_path: str,
) -> None:
    """Divides the buckets into splits and writes their Examples and a summary.

    Args:
        pipeline: a new pipeline.
        folder: where `read_pass` left its buckets.
        options: split strategy, history length, kind of feedback, seed.
        catalogue: ids and categories of the items.
        bounds: of the parts, for the strategies that are not per user.
        uri: of the Examples artifact.
        summary_path: a file for the item counts and example counts, see `staging.load`.
    """
    buckets = staging.paths(folder, BUCKETS)
    shards = {path: shard for shard, path in enumerate(buckets)}
    with pipeline as p:
        catalogue_side = beam.pvalue.AsSingleton(p | "Catalogue" >> beam.Create([catalogue]))
        paths = p | "Buckets" >> beam.Create(buckets) | "Spread" >> beam.Reshuffle()
        bounds_side = beam.pvalue.AsSingleton(p | "Bounds" >> beam.Create([bounds]))
        divided = paths | "Divide" >> beam.ParDo(
            _DivideBucket(options), catalogue_side, bounds_side
        )
        item_counts = divided | "CountItems" >> beam.CombineGlobally(
            _SumOfItemCounts(len(catalogue.ids))
        )
        counts_side = beam.pvalue.AsSingleton(item_counts)
        thirds = (
            divided
            | "PathOf" >> beam.Keys()
            | "Users" >> beam.Map(_users_of_bucket, counts_side)
            | "Gather" >> combiners.ToList()
            | "Thirds" >> beam.Map(_find_thirds)
        )
        counted = (
            divided
            | "PathOfDivided" >> beam.Keys()
            | "Write"
            >> beam.ParDo(
                _WriteBucket(options, uri, shards),
                catalogue_side,
                counts_side,
                beam.pvalue.AsSingleton(thirds),
            )
            | "Sum" >> beam.CombineGlobally(_sum_counters)
        )
        _ = item_counts | "Summarise" >> beam.Map(
            _save_summary, beam.pvalue.AsSingleton(counted), summary_path
        )


class _ParseChunk(beam.DoFn):
    """Turns a chunk of the file into (bucket, Interactions)."""

    def __init__(self, plan: ReadPlan, options: DataOptions) -> None:
        self._plan = plan
        self._options = options.interactions

    def process(
        self, chunk: FileChunk, item_index: dict[str, int]
    ) -> Iterator[tuple[int, Interactions]]:
        plan = self._plan
        records = csv_reader.read_chunk(chunk, plan.widths[chunk.file])
        positions = plan.positions[chunk.file]
        accepted, rejected = interaction_rows.check_rows(
            records, chunk, positions, self._options, item_index
        )
        rejects.stage(
            plan.folder,
            f"{rejects.READING}{chunk.file:05d}-{chunk.start:015d}",
            len(records.rows) + len(records.malformed),
            records.malformed + rejected,
        )
        yield from accepted.by_bucket(plan.buckets).items()


class _MergeBucket(beam.DoFn):
    """Joins a bucket's parts, keeps the latest of the duplicates, and stages the rest."""

    def __init__(self, plan: ReadPlan) -> None:
        self._files = {chunk.file: chunk for chunk in plan.chunks}
        self._folder = plan.folder

    def process(self, element: tuple[int, Iterable[Interactions]]) -> None:
        bucket, parts = element
        kept, duplicates = interaction_rows.merge(list(parts))
        rejected = []
        for file in np.unique(duplicates.file).tolist():
            rows = duplicates.take(np.flatnonzero(duplicates.file == file))
            spans = list(zip(rows.offset.tolist(), rows.length.tolist(), strict=True))
            chunk = self._files[file]
            texts = csv_reader.read_bytes(chunk.path, spans)
            rejected += [
                rejects.RejectedRow(rejects.DUPLICATE, chunk.name, line, text.decode())
                for line, text in zip(rows.line.tolist(), texts, strict=True)
            ]
        rejects.stage(self._folder, f"{rejects.MERGING}{bucket:05d}", 0, rejected)
        staging.save(self._folder, f"{BUCKETS}{bucket:05d}", kept)


class _DivideBucket(beam.DoFn):
    """Divides a bucket's users into parts and stages them beside the bucket.

    Yields:
        The staged path, with the item (a position in the catalogue) of each training interaction.
    """

    def __init__(self, options: DataOptions) -> None:
        self._options = options

    def process(
        self, path: str, catalogue: Catalogue, bounds: Bounds
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        users = list(divide(staging.load(path), catalogue, self._options, bounds))
        folder, name = os.path.split(path)
        training = [user_slices.training_items(user) for user in users]
        yield staging.save(folder, f"divided-{name}", users), np.concatenate(training)


def divide(
    rows: Interactions, catalogue: Catalogue, options: DataOptions, bounds: Bounds
) -> Iterator[UserRows]:
    """Yields each user's rows with their parts marked.

    Args:
        rows: ordered by user and time.
        catalogue: ids of the items.
        options: split strategy, kind of feedback, seed.
        bounds: of the parts, for the strategies that are not per user.
    """
    explicit = options.interactions.feedback == "explicit"
    starts = np.searchsorted(rows.user, np.arange(len(rows.users) + 1))
    for number, user in enumerate(rows.users):
        where = slice(starts[number], starts[number + 1])
        item, timestamps = rows.item[where], rows.timestamp[where]
        ids = [catalogue.ids[position] for position in item]
        part = splits.parts_of_user(
            user, ids, item, timestamps, options.split, options.seed, bounds
        )
        yield UserRows(user, item, rows.rating[where] if explicit else None, timestamps, part)


class _SumOfItemCounts(beam.CombineFn):
    """Counts the training interactions of each item: int64 [items of the catalogue]."""

    def __init__(self, items: int) -> None:
        self._items = items

    def create_accumulator(self) -> NDArray[np.int64]:
        return np.zeros(self._items, dtype=np.int64)

    def add_input(
        self, total: NDArray[np.int64], element: tuple[str, NDArray[Any]]
    ) -> NDArray[np.int64]:
        return total + np.bincount(element[1], minlength=self._items)

    def merge_accumulators(self, totals: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
        return np.sum(list(totals), axis=0)

    def extract_output(self, total: NDArray[np.int64]) -> NDArray[np.int64]:
        return total


def _users_of_bucket(path: str, item_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [users with training interactions, 2], see `user_slices.measure`."""
    measured = [user_slices.measure(user, item_counts) for user in staging.load(path)]
    known = [numbers for numbers in measured if numbers is not None]
    return np.array(known, dtype=np.float64).reshape(-1, 2)


def _find_thirds(buckets: list[NDArray[np.float64]]) -> Thirds:
    return user_slices.bounds_of(np.concatenate(buckets))


class _WriteBucket(beam.DoFn):
    """Writes the Examples of a bucket's users, one file a split, and yields how many."""

    def __init__(self, options: DataOptions, uri: str, shards: dict[str, int]) -> None:
        self._options = options
        self._uri = uri
        self._shards = shards

    def process(
        self, path: str, catalogue: Catalogue, item_counts: NDArray[np.int64], thirds: Thirds
    ) -> Iterator[Counter[str]]:
        by_split: dict[str, list[bytes]] = {split: [] for split in USER_SPLITS}
        for user in staging.load(path):
            activity, taste = user_slices.names_of(user, item_counts, thirds)
            examples = user_features.encode_user(
                user, catalogue, self._options.max_history, activity, taste
            )
            by_split[features.TRAIN_SPLIT] += examples.train
            by_split[features.LATE_SPLIT] += examples.late
            by_split[features.EVAL_SPLIT] += examples.eval
            by_split[features.USERS_SPLIT].append(examples.user)
            if examples.ranking is not None:
                by_split[features.RANKING_SPLIT].append(examples.ranking)
            if examples.query is not None:
                by_split[features.QUERIES_SPLIT].append(examples.query)
        # A reader that shuffles in a window must not see one user's interactions in a row.
        shard = self._shards[path.replace("divided-", "")]
        for split in (features.TRAIN_SPLIT, features.LATE_SPLIT):
            random.Random(self._options.seed + shard).shuffle(by_split[split])
        for split, serialized in by_split.items():
            target = example_files.shard_path(self._uri, split, shard, len(self._shards))
            example_files.write_examples(target, serialized)
        yield Counter({split: len(serialized) for split, serialized in by_split.items()})


def _sum_counters(counters: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter())


def _save_summary(item_counts: NDArray[np.int64], examples: Counter[str], path: str) -> None:
    staging.save(*os.path.split(path), (item_counts, examples))
