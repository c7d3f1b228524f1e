"""The Beam pass of InteractionExampleGen that divides users into splits and writes the Examples."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
from apache_beam.pipeline import Pipeline
from apache_beam.transforms import combiners
from numpy.typing import NDArray

from components import example_files, splits, staging, user_features, user_slices
from components.example_files import Catalogue
from components.interaction_rows import Interactions
from components.item_examples import ItemStatistics, PartStatistics
from components.options import DataOptions
from components.profile_pass import PROFILES
from components.read_pass import BUCKETS
from components.splits import Bounds
from components.user_profiles import NO_PROFILE, Profile
from components.user_slices import Thirds
from components.user_state import UserRows
from models import features

USER_SPLITS = (
    features.TRAIN_SPLIT,
    features.LATE_SPLIT,
    features.EVAL_SPLIT,
    features.RANKING_SPLIT,
    features.QUERIES_SPLIT,
    features.USERS_SPLIT,
)
_DIVIDED = "divided-"  # staged: the UserRows of a bucket


def write_user_examples(
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
        folder: where the reading passes left their buckets.
        options: split strategy, history length, kind of feedback, seed.
        catalogue: ids and categories of the items.
        bounds: of the parts, for the strategies that are not per user.
        uri: of the Examples artifact.
        summary_path: a file for the ItemStatistics and example counts, see `staging.load`.
    """
    buckets = _buckets_of(folder)
    with pipeline as p:
        catalogue_side = beam.pvalue.AsSingleton(p | "Catalogue" >> beam.Create([catalogue]))
        bounds_side = beam.pvalue.AsSingleton(p | "Bounds" >> beam.Create([bounds]))
        names = p | "Buckets" >> beam.Create(buckets) | "Spread" >> beam.Reshuffle()
        divided = names | "Divide" >> beam.ParDo(
            _DivideBucket(folder, options), catalogue_side, bounds_side
        )
        statistics = divided | "CountItems" >> beam.CombineGlobally(_SumOfItems(len(catalogue.ids)))
        statistics_side = beam.pvalue.AsSingleton(statistics)
        thirds = (
            divided
            | "NameOf" >> beam.Keys()
            | "Users" >> beam.Map(_measure_users, folder, statistics_side)
            | "Gather" >> combiners.ToList()
            | "Thirds" >> beam.Map(_find_thirds)
        )
        counted = (
            divided
            | "NameOfDivided" >> beam.Keys()
            | "Write"
            >> beam.ParDo(
                _WriteBucket(folder, options, uri, buckets),
                catalogue_side,
                statistics_side,
                beam.pvalue.AsSingleton(thirds),
            )
            | "Sum" >> beam.CombineGlobally(_sum_counters)
        )
        _ = statistics | "Summarise" >> beam.Map(
            _save_summary, beam.pvalue.AsSingleton(counted), summary_path
        )


def _buckets_of(folder: str) -> list[str]:
    """Names of the buckets that have interactions, profiles or both, sorted."""
    found = {
        os.path.basename(path).removeprefix(prefix)
        for prefix in (BUCKETS, PROFILES)
        for path in staging.paths(folder, prefix)
    }
    return sorted(found)


class _DivideBucket(beam.DoFn):
    """Divides a bucket's users into parts and stages them.

    Yields:
        The bucket's name, with the statistics of its training interactions.
    """

    def __init__(self, folder: str, options: DataOptions) -> None:
        self._folder = folder
        self._options = options

    def process(
        self, bucket: str, catalogue: Catalogue, bounds: Bounds
    ) -> Iterator[tuple[str, PartStatistics]]:
        folder = self._folder
        rows: Interactions | None = staging.load_if_there(folder, BUCKETS + bucket)
        profiles: dict[str, Profile] = staging.load_if_there(folder, PROFILES + bucket) or {}
        users = list(divide(rows, profiles, catalogue, self._options, bounds)) if rows else []
        known = {user.user for user in users}
        users += [
            _without_interactions(name, profiles[name], self._options)
            for name in sorted(profiles.keys() - known)
        ]
        staging.save(folder, _DIVIDED + bucket, users)
        training = [user.part != splits.EVAL for user in users]
        items = np.concatenate([u.items[t] for u, t in zip(users, training, strict=True)])
        times = np.concatenate([u.timestamps[t] for u, t in zip(users, training, strict=True)])
        yield bucket, PartStatistics.of(items, times)


def divide(
    rows: Interactions,
    profiles: dict[str, Profile],
    catalogue: Catalogue,
    options: DataOptions,
    bounds: Bounds,
) -> Iterator[UserRows]:
    """Yields each user's rows with their parts marked.

    Args:
        rows: ordered by user and time.
        profiles: by user, of those who have one.
        catalogue: ids of the items.
        options: split strategy, kind of feedback, seed.
        bounds: of the parts, for the strategies that are not per user.
    """
    explicit = options.interactions.feedback == "explicit"
    positions = options.interactions.columns.position is not None
    starts = np.searchsorted(rows.user, np.arange(len(rows.users) + 1))
    for number, user in enumerate(rows.users):
        where = slice(starts[number], starts[number + 1])
        item, timestamps = rows.item[where], rows.timestamp[where]
        ids = [catalogue.ids[position] for position in item]
        part = splits.parts_of_user(
            user, ids, item, timestamps, options.split, options.seed, bounds
        )
        yield UserRows(
            user,
            item,
            rows.rating[where] if explicit else None,
            timestamps,
            part,
            rows.position[where] if positions else None,
            profiles.get(user, NO_PROFILE),
        )


def _without_interactions(user: str, profile: Profile, options: DataOptions) -> UserRows:
    explicit = options.interactions.feedback == "explicit"
    return UserRows(
        user,
        np.zeros(0, dtype=np.int32),
        np.zeros(0, dtype=np.float32) if explicit else None,
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int8),
        profile=profile,
    )


class _SumOfItems(beam.CombineFn):
    """Adds the statistics of the buckets up."""

    def __init__(self, items: int) -> None:
        self._items = items

    def create_accumulator(self) -> ItemStatistics:
        return ItemStatistics.empty(self._items)

    def add_input(
        self, total: ItemStatistics, element: tuple[str, PartStatistics]
    ) -> ItemStatistics:
        total.add(element[1])
        return total

    def merge_accumulators(self, totals: Iterable[ItemStatistics]) -> ItemStatistics:
        merged = ItemStatistics.empty(self._items)
        for total in totals:
            merged.add(PartStatistics(np.arange(self._items), total.counts, total.first))
        return merged

    def extract_output(self, total: ItemStatistics) -> ItemStatistics:
        return total


def _measure_users(bucket: str, folder: str, statistics: ItemStatistics) -> NDArray[np.float64]:
    """float64 [users with training interactions, 2], see `user_slices.measure`."""
    users = staging.load(os.path.join(folder, _DIVIDED + bucket))
    measured = [user_slices.measure(user, statistics.counts) for user in users]
    known = [numbers for numbers in measured if numbers is not None]
    return np.array(known, dtype=np.float64).reshape(-1, 2)


def _find_thirds(buckets: list[NDArray[np.float64]]) -> Thirds:
    return user_slices.bounds_of(np.concatenate(buckets))


class _WriteBucket(beam.DoFn):
    """Writes the Examples of a bucket's users, one file a split, and yields how many."""

    def __init__(self, folder: str, options: DataOptions, uri: str, buckets: list[str]) -> None:
        self._folder = folder
        self._options = options
        self._uri = uri
        self._buckets = buckets

    def process(
        self, bucket: str, catalogue: Catalogue, statistics: ItemStatistics, thirds: Thirds
    ) -> Iterator[Counter[str]]:
        by_split: dict[str, list[bytes]] = {split: [] for split in USER_SPLITS}
        for user in staging.load(os.path.join(self._folder, _DIVIDED + bucket)):
            activity, taste = user_slices.names_of(user, statistics.counts, thirds)
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
        shard = self._buckets.index(bucket)
        for split in (features.TRAIN_SPLIT, features.LATE_SPLIT):
            random.Random(self._options.seed + shard).shuffle(by_split[split])
        for split, serialized in by_split.items():
            target = example_files.shard_path(self._uri, split, shard, len(self._buckets))
            example_files.write_examples(target, serialized)
        yield Counter({split: len(serialized) for split, serialized in by_split.items()})


def _sum_counters(counters: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter())


def _save_summary(statistics: ItemStatistics, examples: Counter[str], path: str) -> None:
    staging.save(*os.path.split(path), (statistics, examples))
