"""The Beam pass of InteractionExampleGen that reads the interactions.

It leaves one packed file for each bucket of users, free of duplicates. Between it and the pass that
writes, the rejected rows are judged and the bounds of a split that is not per user are found.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from apache_beam.pipeline import Pipeline

from components import csv_reader, interaction_rows, rejects, staging
from components.csv_reader import FileChunk, Header
from components.example_files import Catalogue
from components.interaction_rows import ColumnPositions, Interactions
from components.options import DataOptions, InteractionOptions

BUCKETS = "bucket-"  # staged: Interactions by user and time, one file a bucket
BUCKET_BYTES = 2 << 20  # of input a bucket of users: its Examples fit in memory many times
_KEY = "data.interactions"


@dataclass(frozen=True)
class ReadPlan:
    """How to read the files: chunks, and for each file the columns and the number of fields."""

    chunks: list[FileChunk]
    positions: list[ColumnPositions]
    widths: list[int]
    buckets: int
    folder: str


def plan_reading(data_dir: str, options: DataOptions, extra_bytes: int, folder: str) -> ReadPlan:
    """Finds the files and their columns and divides them into chunks.

    Args:
        data_dir: the folder that the file pattern in the options is relative to.
        options: files and columns.
        extra_bytes: of input that goes to the same buckets.
        folder: for the staged files.

    Raises:
        DataError: if a file or column is missing.
    """
    chunks: list[FileChunk] = []
    positions, widths = [], []
    found = csv_reader.find_files(data_dir, options.interactions.file, f"{_KEY}.file")
    for file, (path, name) in enumerate(found):
        header = csv_reader.read_header(path)
        positions.append(_find_columns(header, path, options.interactions))
        widths.append(len(header.columns))
        chunks += csv_reader.plan_chunks(path, name, file, header)
    length = extra_bytes + sum(chunk.length for chunk in chunks)
    return ReadPlan(chunks, positions, widths, 1 + length // BUCKET_BYTES, folder)


def _find_columns(header: Header, path: str, options: InteractionOptions) -> ColumnPositions:
    columns = options.columns

    def index(name: str | None, key: str) -> int | None:
        return header.index(name, path, f"{_KEY}.columns.{key}") if name else None

    return ColumnPositions(
        user=header.index(columns.user, path, f"{_KEY}.columns.user"),
        item=header.index(columns.item, path, f"{_KEY}.columns.item"),
        rating=index(columns.rating if options.feedback == "explicit" else None, "rating"),
        timestamp=header.index(columns.timestamp, path, f"{_KEY}.columns.timestamp"),
        position=index(columns.position, "position"),
    )


def read_interactions(
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
