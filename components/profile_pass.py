"""The Beam pass of InteractionExampleGen that reads the users file, into the buckets of users."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pipeline import Pipeline

from components import csv_reader, rejects, staging, user_profiles
from components.csv_reader import FileChunk
from components.interaction_rows import bucket_of
from components.options import DataOptions
from components.user_profiles import ProfilePositions, ProfileRow

PROFILES = "profiles-"  # staged: Profile by user, one file a bucket


@dataclass(frozen=True)
class ProfilePlan:
    """How to read the files: chunks, and for each file the columns and the number of fields."""

    chunks: list[FileChunk]
    positions: list[ProfilePositions]
    widths: list[int]
    separator: str

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self.widths)

    @property
    def length(self) -> int:
        """Bytes to read."""
        return sum(chunk.length for chunk in self.chunks)


def plan_profiles(data_dir: str, options: DataOptions) -> ProfilePlan:
    """Finds the files and their columns; where no file is expected, the plan is empty.

    Raises:
        DataError: if a file or column is missing.
    """
    plan = ProfilePlan([], [], [], options.catalogue.category_separator)
    if options.users is None:
        return plan
    found = csv_reader.find_files(
        data_dir, options.users.file, "data.users.file", options.users.required
    )
    for file, (path, name) in enumerate(found):
        header = csv_reader.read_header(path)
        plan.positions.append(ProfilePositions.find(header, path, options.users))
        plan.widths.append(len(header.columns))
        plan.chunks.extend(csv_reader.plan_chunks(path, name, file, header))
    return plan


def read_profiles(
    pipeline: Pipeline, plan: ProfilePlan, buckets: int, folder: str, rejects_folder: str
) -> None:
    """Reads the files into `folder`, one for each bucket of users, free of duplicates.

    Args:
        pipeline: a new pipeline.
        plan: what to read.
        buckets: of users.
        folder: for the profiles.
        rejects_folder: for the rejected rows, see `rejects.stage`.
    """
    with pipeline as p:
        _ = (
            p
            | "ProfileChunks" >> beam.Create(plan.chunks)
            | "SpreadProfiles" >> beam.Reshuffle()
            | "ParseProfiles" >> beam.ParDo(_ParseProfiles(plan, buckets, rejects_folder))
            | "ProfilesByBucket" >> beam.GroupByKey()
            | "MergeProfiles" >> beam.ParDo(_MergeProfiles(folder, rejects_folder))
        )


class _ParseProfiles(beam.DoFn):
    """Turns a chunk of the file into (bucket, users)."""

    def __init__(self, plan: ProfilePlan, buckets: int, rejects_folder: str) -> None:
        self._plan = plan
        self._buckets = buckets
        self._rejects_folder = rejects_folder

    def process(self, chunk: FileChunk) -> Iterator[tuple[int, list[ProfileRow]]]:
        records = csv_reader.read_chunk(chunk, self._plan.widths[chunk.file])
        positions = self._plan.positions[chunk.file]
        accepted, rejected = user_profiles.check_rows(
            records, chunk.name, positions, self._plan.separator
        )
        rejects.stage(
            self._rejects_folder,
            f"{rejects.READING}{chunk.file:05d}-{chunk.start:015d}",
            len(accepted) + len(rejected),
            rejected,
        )
        by_bucket: dict[int, list[ProfileRow]] = {}
        for row in accepted:
            by_bucket.setdefault(bucket_of(row.user, self._buckets), []).append(row)
        yield from by_bucket.items()


class _MergeProfiles(beam.DoFn):
    """Keeps the first row of each user of a bucket and stages them."""

    def __init__(self, folder: str, rejects_folder: str) -> None:
        self._folder = folder
        self._rejects_folder = rejects_folder

    def process(self, element: tuple[int, Iterable[list[ProfileRow]]]) -> None:
        bucket, parts = element
        kept, duplicates = user_profiles.first_of_each(row for part in parts for row in part)
        rejects.stage(self._rejects_folder, f"{rejects.MERGING}{bucket:05d}", 0, duplicates)
        staging.save(self._folder, f"{PROFILES}{bucket:05d}", kept)
