"""CatalogExampleGen: reads the item catalogue into Examples, one an item."""

import zlib
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.pipeline import Pipeline
from tfx.types.standard_artifacts import Examples

from components import catalogue_rows, csv_reader, example_files, rejects, staging
from components.annotations import OutputArtifact, Parameter
from components.artifacts import RejectedRows
from components.beam_annotations import BeamComponentParameter, beam_component
from components.catalogue_rows import CataloguePositions, CatalogueRow
from components.csv_reader import FileChunk
from components.options import CatalogueOptions, DataOptions
from models import features
from models.progress import report

SHARD_BYTES = 4 << 20  # of input a file of Examples


@beam_component
def CatalogExampleGen(  # noqa: N802  TFX names components like classes
    examples: OutputArtifact[Examples],
    rejected: OutputArtifact[RejectedRows],
    data_dir: Parameter[str],
    options_json: Parameter[str],
    fingerprint: Parameter[str],
    beam_pipeline: BeamComponentParameter[Pipeline] = None,
) -> None:
    """Reads the catalogue of `data_dir`; an item that comes twice keeps its first row.

    Args:
        examples: receives the split `items`, gzipped TFRecords of tf.train.Example.
        rejected: receives the rows left out.
        data_dir: the folder that the file pattern in the options is relative to.
        options_json: `DataOptions` as JSON.
        fingerprint: says what is in the files and the code. It is not read: it is a part of the
            cache key, which would otherwise not notice new contents.
        beam_pipeline: made by TFX.

    Raises:
        DataError: if a file or column is missing, or too many rows are unusable.
    """
    options = DataOptions.model_validate_json(options_json)
    example_files.declare_splits(examples, [features.ITEMS_SPLIT])
    write_catalogue(beam_pipeline, data_dir, options, examples.uri, rejected.uri)


def write_catalogue(
    pipeline: Pipeline, data_dir: str, options: DataOptions, uri: str, rejected_uri: str
) -> None:
    """Does the component's work with plain folders.

    Raises:
        DataError: if a file or column is missing, or too many rows are unusable.
    """
    catalogue = options.catalogue
    found = csv_reader.find_files(data_dir, catalogue.file, "data.catalogue.file")
    headers = [csv_reader.read_header(path) for path, _ in found]
    positions = [
        CataloguePositions.find(header, path, catalogue)
        for header, (path, _) in zip(headers, found, strict=True)
    ]
    chunks = [
        chunk
        for file, (path, name) in enumerate(found)
        for chunk in csv_reader.plan_chunks(path, name, file, headers[file])
    ]
    shards = max(1, sum(chunk.length for chunk in chunks) // SHARD_BYTES)
    widths = [len(header.columns) for header in headers]
    report(f"reading {csv_reader.describe(chunks)}")
    with staging.folder_in(rejected_uri) as folder:
        with pipeline as p:
            _ = (
                p
                | "Chunks" >> beam.Create(chunks)
                | "Spread" >> beam.Reshuffle()
                | "Parse" >> beam.ParDo(_ParseChunk(positions, widths, catalogue, shards, folder))
                | "ByShard" >> beam.GroupByKey()
                | "Write" >> beam.ParDo(_WriteShard(uri, shards, folder))
            )
        rejected = rejects.collect(folder)
        rejects.check_rejected(
            rejected, options.max_rejected_fraction, catalogue.file, rejected_uri
        )
        rejects.write_rejected(rejected_uri, rejected)


class _ParseChunk(beam.DoFn):
    """Turns a chunk of the file into (shard, items), with all of an item's rows in one shard."""

    def __init__(
        self,
        positions: list[CataloguePositions],
        widths: list[int],
        options: CatalogueOptions,
        shards: int,
        folder: str,
    ) -> None:
        self._positions = positions
        self._widths = widths
        self._options = options
        self._shards = shards
        self._folder = folder

    def process(self, chunk: FileChunk) -> Iterator[tuple[int, list[CatalogueRow]]]:
        records = csv_reader.read_chunk(chunk, self._widths[chunk.file])
        accepted, rejected = catalogue_rows.check_rows(
            records, chunk.name, self._positions[chunk.file], self._options
        )
        rejects.stage(
            self._folder,
            f"{rejects.READING}{chunk.file:05d}-{chunk.start:015d}",
            len(accepted) + len(rejected),
            rejected,
        )
        by_shard: dict[int, list[CatalogueRow]] = {}
        for row in accepted:
            by_shard.setdefault(zlib.crc32(row.item.encode()) % self._shards, []).append(row)
        yield from by_shard.items()


class _WriteShard(beam.DoFn):
    """Keeps the first row of each item and writes their Examples."""

    def __init__(self, uri: str, shards: int, folder: str) -> None:
        self._uri = uri
        self._shards = shards
        self._folder = folder

    def process(self, element: tuple[int, Iterable[list[CatalogueRow]]]) -> None:
        shard, parts = element
        kept, duplicates = catalogue_rows.first_of_each(row for part in parts for row in part)
        path = example_files.shard_path(self._uri, features.ITEMS_SPLIT, shard, self._shards)
        example_files.write_examples(path, (row.example for row in kept))
        rejects.stage(self._folder, f"{rejects.MERGING}{shard:05d}", 0, duplicates)
