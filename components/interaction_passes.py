"""The two Beam passes of InteractionExampleGen.

The first reads the files into one packed file for each bucket of users, free of duplicates. The
second divides the buckets into splits and writes the Examples. Between the two, the rejected rows
are judged and the time of a global split is found.
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
)
from components.csv_reader import FileChunk
from components.example_files import Catalogue
from components.interaction_rows import ColumnPositions, Interactions
from components.options import DataOptions
from components.user_features import UserRows
from models import features

BUCKETS = "bucket-"  # staged: Interactions by user and time, one file a bucket
USER_SPLITS = (
    features.TRAIN_SPLIT,
    features.EVAL_SPLIT,
    features.QUERIES_SPLIT,
    features.USERS_SPLIT,
)
_LOW, _MIDDLE, _HIGH = 0, 1, 2
_ACTIVITY = {_LOW: "low", _MIDDLE: "medium", _HIGH: "high"}
_TASTE = {_LOW: "niche", _MIDDLE: "mixed", _HIGH: "mainstream"}


@dataclass(frozen=True)
class Thirds:
    """The upper bounds of the low and the middle third of users."""

    activity: tuple[float, float]  # train interactions
    taste: tuple[float, float]  # mean train interactions of the items in the train history


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
    train_until: int,
    uri: str,
    summary_path: str,
) -> None:
    """Divides the buckets into splits and writes their Examples and a summary.

    Args:
        pipeline: a new pipeline.
        folder: where `read_pass` left its buckets.
        options: split strategy, history length, kind of feedback, seed.
        catalogue: ids and categories of the items.
        train_until: for the strategy `global_time`, the newest timestamp of the train part.
        uri: of the Examples artifact.
        summary_path: a file for the item counts and example counts, see `staging.load`.
    """
    buckets = staging.paths(folder, BUCKETS)
    shards = {path: shard for shard, path in enumerate(buckets)}
    with pipeline as p:
        catalogue_side = beam.pvalue.AsSingleton(p | "Catalogue" >> beam.Create([catalogue]))
        paths = p | "Buckets" >> beam.Create(buckets) | "Spread" >> beam.Reshuffle()
        divided = paths | "Divide" >> beam.ParDo(
            _DivideBucket(options, train_until), catalogue_side
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


def find_thirds(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the values of the users who stand at one third and at two thirds of the order."""
    ordered = np.sort(values)
    return float(ordered[len(ordered) // 3]), float(ordered[2 * len(ordered) // 3])


def third_of(value: float, bounds: tuple[float, float]) -> int:
    """Returns 0, 1 or 2: the value lies below the first bound, below the second, or neither."""
    return int(value >= bounds[0]) + int(value >= bounds[1])


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
    """Divides a bucket's users into train and eval and stages them beside the bucket.

    Yields:
        The staged path, with the item (a position in the catalogue) of each train interaction.
    """

    def __init__(self, options: DataOptions, train_until: int) -> None:
        self._options = options
        self._train_until = train_until

    def process(self, path: str, catalogue: Catalogue) -> Iterator[tuple[str, NDArray[Any]]]:
        users = list(divide(staging.load(path), catalogue, self._options, self._train_until))
        folder, name = os.path.split(path)
        train = [user.items[~user.held_out] for user in users]
        yield staging.save(folder, f"divided-{name}", users), np.concatenate(train)


def divide(
    rows: Interactions, catalogue: Catalogue, options: DataOptions, train_until: int
) -> Iterator[UserRows]:
    """Yields each user's rows with the eval part marked.

    Args:
        rows: ordered by user and time.
        catalogue: ids of the items.
        options: split strategy, kind of feedback, seed.
        train_until: for the strategy `global_time`, the newest timestamp of the train part.
    """
    explicit = options.interactions.feedback == "explicit"
    starts = np.searchsorted(rows.user, np.arange(len(rows.users) + 1))
    for number, user in enumerate(rows.users):
        part = slice(starts[number], starts[number + 1])
        items, timestamps = rows.item[part], rows.timestamp[part]
        held_out = splits.eval_rows(
            user,
            [catalogue.ids[item] for item in items],
            timestamps,
            options.split,
            options.seed,
            train_until,
        )
        yield UserRows(user, items, rows.rating[part] if explicit else None, timestamps, held_out)


class _SumOfItemCounts(beam.CombineFn):
    """Counts the train interactions of each item: int64 [items of the catalogue]."""

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


def popularity_of_history(user: UserRows, item_counts: NDArray[np.int64]) -> float:
    """Returns the mean train interactions of the items in the user's train part (not empty)."""
    return float(item_counts[user.items[~user.held_out]].mean())


def _users_of_bucket(path: str, item_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [users with a train part, 2]: train interactions, popularity of history."""
    users = [
        (np.count_nonzero(~user.held_out), popularity_of_history(user, item_counts))
        for user in staging.load(path)
        if not user.held_out.all()
    ]
    return np.array(users, dtype=np.float64).reshape(-1, 2)


def _find_thirds(buckets: list[NDArray[np.float64]]) -> Thirds:
    users = np.concatenate(buckets)
    return Thirds(find_thirds(users[:, 0]), find_thirds(users[:, 1]))


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
            activity = taste = ""
            if not user.held_out.all():
                count = float(np.count_nonzero(~user.held_out))
                activity = _ACTIVITY[third_of(count, thirds.activity)]
                popularity = popularity_of_history(user, item_counts)
                taste = _TASTE[third_of(popularity, thirds.taste)]
            examples = user_features.encode_user(
                user, catalogue, self._options.max_history, activity, taste
            )
            by_split[features.TRAIN_SPLIT] += examples.train
            by_split[features.EVAL_SPLIT] += examples.eval
            by_split[features.USERS_SPLIT].append(examples.user)
            if examples.query is not None:
                by_split[features.QUERIES_SPLIT].append(examples.query)
        # A reader that shuffles in a window must not see one user's interactions in a row.
        shard = self._shards[path.replace("divided-", "")]
        random.Random(self._options.seed + shard).shuffle(by_split[features.TRAIN_SPLIT])
        for split, serialized in by_split.items():
            target = example_files.shard_path(self._uri, split, shard, len(self._shards))
            example_files.write_examples(target, serialized)
        yield Counter({split: len(serialized) for split, serialized in by_split.items()})


def _sum_counters(counters: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter())


def _save_summary(item_counts: NDArray[np.int64], examples: Counter[str], path: str) -> None:
    staging.save(*os.path.split(path), (item_counts, examples))
