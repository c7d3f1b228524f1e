"""Makes what a servable of a large synthetic catalogue is built from.

The graph's own components transform a small data set. The vocabulary of its transform graph is then
extended to the whole catalogue, and all items go through that graph. Nothing is trained: items lie
in clusters, on the unit sphere, and users where the items of their history lie.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from rich.console import Console

from benchmarks.transformed import run_transform
from components import example_codec as codec
from models import features
from models.raw_data import serialized_batches
from pipeline.config import Config
from pipeline.datasets.synthesize import synthesize

SAMPLE_USERS, SAMPLE_ITEMS, SAMPLE_INTERACTIONS = 200, 500, 5_000
ITEMS_A_CLUSTER = 1000
CLUSTER_SPREAD = 0.6  # length of an item's distance from its cluster's centre, before scaling
CLUSTERS_A_USER = 3
HISTORY = 40  # items of a user
MOST_INTERACTIONS = 100_000.0  # of the first item; of the others by Zipf's law
OLDEST_DAYS = 3650.0
YEAR = 2020.0
RATING = 4.0

FloatArray = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Catalogue:
    """Items 1 to N and users 1 to U.

    Attributes:
        vectors: float32 [N+1, D], unit rows; row 0 is zeros.
        cluster: int64 [N+1], of each item; -1 for 0.
        counts: float32 [N+1], interactions; 0 for 0.
        histories: int64 [U, HISTORY], items of each user, newest first, each once.
    """

    vectors: FloatArray
    cluster: Ints
    counts: FloatArray
    histories: Ints

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.counts) - 1


@dataclass(frozen=True)
class Examples:
    """Where a catalogue lies, as a run would have left it.

    Attributes:
        transform_graph: whose item vocabulary is the whole catalogue.
        items: folder of the raw items split.
        users: folder of the raw users split.
        transformed: folder of the transformed items split.
    """

    transform_graph: str
    items: str
    users: str
    transformed: str


def make_catalogue(items: int, dimension: int, users: int, seed: int) -> Catalogue:
    """Draws items in clusters and users who like a few clusters.

    Args:
        items: N; at least HISTORY.
        dimension: D.
        users: U.
        seed: of everything random.

    Raises:
        ValueError: if there are too few items for a history.
    """
    if items < HISTORY:
        raise ValueError(
            f"items must be at least {HISTORY}, a history. Received: {items}. Ask for more."
        )
    random = np.random.default_rng(seed)
    clusters = max(1, round(items / ITEMS_A_CLUSTER))
    cluster = np.arange(-1, items) % clusters
    cluster[0] = -1
    vectors = clustered_vectors(cluster, dimension, random)
    rank = random.permutation(items) + 1.0
    counts = np.floor(MOST_INTERACTIONS / rank).astype(np.float32)
    return Catalogue(
        vectors,
        cluster,
        np.concatenate([[np.float32(0.0)], counts]),
        np.stack([_history(items, clusters, random) for _ in range(users)]),
    )


def clustered_vectors(cluster: Ints, dimension: int, random: np.random.Generator) -> FloatArray:
    """Returns unit vectors around the centres of their clusters, float32 [N+1, dimension].

    Args:
        cluster: int64 [N+1], from 0; row 0 becomes zeros.
        dimension: of the vectors.
        random: their source.
    """
    shape = (int(cluster.max()) + 1, dimension)
    centres = random.standard_normal(shape, np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = random.standard_normal((len(cluster), dimension), np.float32)
    vectors *= np.float32(CLUSTER_SPREAD / np.sqrt(dimension))
    vectors += centres[cluster]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0.0
    return vectors


def _history(items: int, clusters: int, random: np.random.Generator) -> Ints:
    """Draws different items of a few clusters, int64 [HISTORY]; items i and i + C share one."""
    own = random.choice(clusters, min(CLUSTERS_A_USER, clusters), replace=False)
    members = np.concatenate([np.arange(1 + first, items + 1, clusters) for first in own])
    if len(members) < HISTORY:
        members = np.arange(1, items + 1)
    return random.choice(members, HISTORY, replace=False)


def write_examples(
    catalogue: Catalogue, config: Config, folder: Path, seed: int, console: Console
) -> Examples:
    """Transforms a small data set, extends it to the catalogue and writes all of that.

    Args:
        catalogue: items and users.
        config: of the transform graph.
        folder: for everything.
        seed: of the items' categories and ages.
        console: shows the progress.

    Returns:
        Where it lies.
    """
    sample = folder / "sample"
    synthesize(sample, SAMPLE_USERS, SAMPLE_ITEMS, SAMPLE_INTERACTIONS, seed)
    transformed = run_transform(config, sample, folder / "sample-run", console).data
    analysed = Path(transformed.transform_output.transform_savedmodel_dir).parent
    graph = tft.TFTransformOutput(str(extended_graph(analysed, folder / "graph", catalogue.size)))
    categories = [name.decode() for name in graph.vocabulary_by_name(features.CATEGORY_VOCABULARY)]
    random = np.random.default_rng(seed)
    category = random.integers(0, len(categories), catalogue.size + 1)
    examples = Examples(
        transform_graph=str(folder / "graph"),
        items=str(folder / "raw" / f"Split-{features.ITEMS_SPLIT}"),
        users=str(folder / "raw" / f"Split-{features.USERS_SPLIT}"),
        transformed=str(folder / "transformed" / f"Split-{features.ITEMS_SPLIT}"),
    )
    ages = random.uniform(0.0, OLDEST_DAYS, catalogue.size + 1)
    _write(Path(examples.items), _raw_items(catalogue, categories, category, ages))
    _write(Path(examples.users), _raw_users(catalogue, categories, category))
    _write(Path(examples.transformed), _transformed_items(examples.items, graph))
    return examples


def item_id(item: int) -> str:
    """Returns the id of an item."""
    return f"item-{item}"


def user_id(user: int) -> str:
    """Returns the id of a user."""
    return f"user-{user}"


def extended_graph(analysed: Path, target: Path, items: int) -> Path:
    """Copies a transform graph with all items for a vocabulary.

    Args:
        analysed: the transform graph of a sample.
        target: the copy; one that is there is replaced.
        items: how many, from 1.

    Returns:
        The copy.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(analysed, target)
    graph = tft.TFTransformOutput(str(target))
    vocabulary = Path(graph.vocabulary_file_by_name(features.ITEM_VOCABULARY))
    with vocabulary.open("w", encoding="utf-8") as file:
        file.writelines(f"{item_id(item)}\n" for item in range(1, items + 1))
    return target


def _raw_items(
    catalogue: Catalogue, categories: list[str], category: Ints, ages: npt.NDArray[np.float64]
) -> Iterator[bytes]:
    year = codec.float_feature(features.item_numeric("year"), [YEAR])
    encoded = [
        codec.bytes_feature(features.ITEM_CATEGORY, codec.bytes_entry(name)) for name in categories
    ]
    for item in range(1, catalogue.size + 1):
        yield codec.example(
            codec.bytes_feature(features.ITEM_ID, codec.bytes_entry(item_id(item)))
            + codec.bytes_feature(features.ITEM_TITLE, codec.bytes_entry(f"Item number {item}"))
            + codec.float_feature(features.ITEM_INTERACTION_COUNT, [catalogue.counts[item]])
            + codec.float_feature(features.ITEM_AGE_DAYS, [ages[item]])
            + encoded[category[item]]
            + year
        )


def _raw_users(catalogue: Catalogue, categories: list[str], category: Ints) -> Iterator[bytes]:
    for user, history in enumerate(catalogue.histories, start=1):
        own, counts = np.unique(category[history], return_counts=True)
        entries = b"".join(codec.bytes_entry(item_id(item)) for item in history)
        names = b"".join(codec.bytes_entry(categories[place]) for place in own)
        yield codec.example(
            codec.bytes_feature(features.USER_ID, codec.bytes_entry(user_id(user)))
            + codec.float_feature(features.USER_INTERACTION_COUNT, [float(len(history))])
            + codec.float_feature(features.USER_MEAN_RATING, [RATING])
            + codec.bytes_feature(features.USER_CATEGORY, names)
            + codec.float_feature(features.USER_CATEGORY_COUNT, counts.astype(np.float32))
            + codec.float_feature(features.USER_CATEGORY_MEAN_RATING, [RATING] * len(own))
            + codec.bytes_feature(features.HISTORY_ITEM_ID, entries)
            + codec.bytes_feature(features.SEEN_ITEM_ID, entries)
        )


def _transformed_items(items: str, graph: tft.TFTransformOutput) -> Iterator[bytes]:
    transform = graph.transform_features_layer()
    raw = graph.raw_feature_spec()
    numeric = [name for name in raw if name.startswith(features.ITEM_NUMERIC_PREFIX)]
    names = [
        features.ITEM_ID,
        features.ITEM_CATEGORY,
        features.ITEM_INTERACTION_COUNT,
        *numeric,
    ]
    spec = {name: raw[name] for name in names}
    for serialized in serialized_batches(items):
        outputs = transform(tf.io.parse_example(serialized, spec))
        index = outputs[features.ITEM_INDEX].numpy()
        columns = [
            (name, outputs[name].numpy().reshape([len(index), -1]))
            for name in (
                features.ITEM_CATEGORY_MULTI_HOT,
                features.ITEM_NUMERIC,
                features.ITEM_LOG_FREQUENCY,
            )
        ]
        for row, own in enumerate(index.tolist()):
            floats = [codec.float_feature(name, values[row]) for name, values in columns]
            yield codec.example(codec.int64_feature(features.ITEM_INDEX, [own]) + b"".join(floats))


def _write(folder: Path, rows: Iterable[bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # A fast level: what is measured is the building, not the zeros of this file.
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), options) as writer:
        for row in rows:
            writer.write(row)
