"""A tiny world with two tastes, transformed, trained and built into servables once a session."""

import dataclasses
import pathlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx_bsl.public import tfxio

from models import features, train_ranking, train_retrieval
from models.options import IndexOptions, ServingOptions
from models.preprocessing import preprocessing_fn
from models.servable_builder import BuildReport, BuildSources, build_servable

Row = dict[str, list[Any]]
Split = dict[str, list[Row]]

MAX_HISTORY = 5
USERS, ITEMS = 20, 40
PLACES = (b"north", b"south")
CATEGORIES = (b"even", b"odd")  # user u and item i like each other where both are even or odd


@dataclasses.dataclass(frozen=True)
class World:
    """Raw examples by split, where they lie, and what Transform made of them.

    Attributes:
        raw: rows by split, each a dict of lists.
        folder: of the gzip TFRecords, `raw/Split-*` and `transformed/Split-*`.
        transform_graph: path of the transform graph.
    """

    raw: Split
    folder: pathlib.Path
    transform_graph: str


@dataclasses.dataclass(frozen=True)
class Built:
    """A servable, and the world it was built from."""

    path: str
    report: BuildReport
    world: World
    signatures: Any


def item_id(item: int) -> bytes:
    return f"i{item:02d}".encode()


def _user_features(user: int, past: list[tuple[int, float]]) -> Row:
    """What an example of the user says after `past`, (item, rating) pairs, oldest first."""
    row: Row = {
        features.USER_ID: [f"u{user:02d}".encode()],
        features.USER_INTERACTION_COUNT: [float(len(past))],
        features.HISTORY_ITEM_ID: [item_id(item) for item, _ in past[::-1]][:MAX_HISTORY],
        features.USER_MEAN_RATING: [float(np.mean([r for _, r in past]))] if past else [],
        # Absent for a few, as what users do not tell is.
        features.user_attribute("place"): [] if user % 5 == 0 else [PLACES[user % 2]],
    }
    ratings = {
        name: [rating for item, rating in past if item % 2 == parity]
        for parity, name in enumerate(CATEGORIES)
    }
    present = {name: values for name, values in ratings.items() if values}
    row[features.USER_CATEGORY] = list(present)
    row[features.USER_CATEGORY_COUNT] = [float(len(values)) for values in present.values()]
    row[features.USER_CATEGORY_MEAN_RATING] = [float(np.mean(v)) for v in present.values()]
    return row


def _interaction(user: int, past: list[tuple[int, float]], chosen: tuple[int, float]) -> Row:
    item, rating = chosen
    return _user_features(user, past) | {
        features.ITEM_ID: [item_id(item)],
        features.RATING: [rating],
    }


def _choice(user: int, past: list[tuple[int, float]], later: list[tuple[int, float]]) -> Row:
    return _user_features(user, past) | {
        features.SEEN_ITEM_ID: [item_id(item) for item, _ in past[::-1]],
        features.CHOSEN_ITEM_ID: [item_id(item) for item, _ in later],
        features.CHOSEN_RATING: [rating for _, rating in later],
    }


@pytest.fixture(scope="session")
def raw_splits() -> Split:
    """Users choose 16 items of their own parity out of 20; items 38 and 39 nobody ever chose."""
    random = np.random.default_rng(3)
    names = ("train", "late", "eval", "ranking", "queries", "users", "items")
    splits: Split = {name: [] for name in names}
    counts = np.zeros(ITEMS)
    for user in range(USERS):
        own = random.permutation(np.arange(user % 2, ITEMS - 2, 2))[:16]
        log = [(int(item), float(random.integers(3, 6))) for item in own]
        early, known, later = log[:9], log[:12], log[12:]
        for number, chosen in enumerate(log):
            split = "eval" if number >= 12 else "train" if number < 9 else "late"
            splits[split].append(_interaction(user, log[:number], chosen))
        np.add.at(counts, [item for item, _ in known], 1)
        splits["ranking"].append(_choice(user, early, log[9:12]))
        splits["queries"].append(_choice(user, known, later))
        seen = {features.SEEN_ITEM_ID: [item_id(item) for item, _ in log[::-1]]}
        splits["users"].append(_user_features(user, log) | seen)
    splits["users"].append(
        # Nothing is known of them but what they said to like.
        _user_features(USERS, [])
        | {features.USER_CATEGORY: [CATEGORIES[1]], features.USER_CATEGORY_COUNT: [1.0]}
    )
    for item in range(ITEMS):
        splits["items"].append(
            {
                features.ITEM_ID: [item_id(item)],
                features.ITEM_TITLE: [f"Title {item}, \u00e9".encode()],
                features.ITEM_CATEGORY: [CATEGORIES[item % 2]],
                features.ITEM_INTERACTION_COUNT: [float(counts[item])],
                # Absent for a few, as numbers in real catalogues are.
                features.item_numeric("year"): [] if item % 7 == 0 else [1990.0 + item],
            }
        )
    return splits


@pytest.fixture(scope="session")
def serialize() -> Callable[[Row], bytes]:
    """Makes a serialized Example; an empty list leaves the feature out, as in the real splits."""

    def make(row: Row) -> bytes:
        example = tf.train.Example()
        for name, values in row.items():
            if not len(values):
                continue
            feature = example.features.feature[name]
            if isinstance(values[0], bytes):
                feature.bytes_list.value.extend(values)
            elif np.issubdtype(np.asarray(values).dtype, np.integer):
                feature.int64_list.value.extend(values)
            else:
                feature.float_list.value.extend(values)
        return example.SerializeToString()

    return make


@pytest.fixture(scope="session")
def make_world(
    raw_splits: Split, serialize: Callable[[Row], bytes], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., World]:
    """Transforms the tiny world with TensorFlow Transform on Beam, as the pipeline does."""

    def make(explicit: bool, categories: bool, numeric: bool, attributes: bool) -> World:
        folder = tmp_path_factory.mktemp("world")
        dropped: set[str] = {features.ITEM_TITLE}
        ratings = {
            features.RATING,
            features.USER_MEAN_RATING,
            features.USER_CATEGORY_MEAN_RATING,
            features.CHOSEN_RATING,
        }
        of_categories = {
            features.ITEM_CATEGORY,
            features.USER_CATEGORY,
            features.USER_CATEGORY_COUNT,
            features.USER_CATEGORY_MEAN_RATING,
        }
        missing = (set() if explicit else ratings) | (set() if categories else of_categories)
        missing |= set() if numeric else {features.item_numeric("year")}
        missing |= set() if attributes else {features.user_attribute("place")}
        raw = {
            split: [{n: v for n, v in row.items() if n not in missing} for row in rows]
            for split, rows in raw_splits.items()
        }
        for split, rows in raw.items():
            _write(folder / "raw" / f"Split-{split}", [serialize(row) for row in rows])
        values = {
            n: v for rows in raw.values() for row in rows for n, v in row.items() if v
        }  # a value of each feature tells its type
        spec = {
            name: tf.io.VarLenFeature(tf.string if isinstance(value[0], bytes) else tf.float32)
            for name, value in values.items()
            if name not in dropped
        }
        config = {
            "options": {"category_slots": 4},
            "max_history": MAX_HISTORY,
            "explicit": explicit,
            "positions": False,
            "numeric": ["year"] if numeric else [],
            "attributes": ["place"] if attributes else [],
        }
        graph = str(folder / "transform")
        _transform(folder / "raw", folder / "transformed", graph, spec, config)
        return World(raw, folder, graph)

    return make


def _transform(
    raw: pathlib.Path,
    transformed: pathlib.Path,
    graph: str,
    spec: dict[str, Any],
    config: dict[str, Any],
) -> None:
    schema = schema_utils.schema_from_feature_spec(spec)
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), f"{graph}/metadata")
    splits = {path.name.removeprefix("Split-"): path for path in raw.iterdir()}
    # In one process and thread: as fast as it gets for a few hundred rows.
    pipeline = beam.Pipeline("DirectRunner", PipelineOptions(["--direct_num_workers=1"]))
    with pipeline, tft_beam.Context(temp_dir=f"{graph}_scratch"):
        source = {
            split: tfxio.TFExampleRecord(
                str(path / "*"), schema=schema, telemetry_descriptors=["t"]
            )
            for split, path in splits.items()
        }
        data = {split: pipeline | f"Read {split}" >> source[split].BeamSource() for split in source}
        adapter = source["train"].TensorAdapterConfig()
        analysed = (data["train"], data["late"], data["items"]) | beam.Flatten()
        transform_fn = (analysed, adapter) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(graph)
        for split, batches in data.items():
            rows, metadata = ((batches, adapter), transform_fn) | f"Transform {split}" >> (
                tft_beam.TransformDataset()
            )
            coder = tft.coders.ExampleProtoCoder(metadata.schema)
            _ = (
                rows
                | f"Encode {split}" >> beam.Map(coder.encode)
                | f"Write {split}"
                >> beam.io.WriteToTFRecord(
                    str(transformed / f"Split-{split}" / "data"), file_name_suffix=".gz"
                )
            )


def _write(folder: pathlib.Path, rows: list[bytes]) -> None:
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), "GZIP") as writer:
        for row in rows:
            writer.write(row)


@pytest.fixture(scope="session")
def world(make_world: Callable[..., World]) -> World:
    """Explicit ratings, categories, a numeric column and an attribute: all there is."""
    return make_world(explicit=True, categories=True, numeric=True, attributes=True)


@pytest.fixture(scope="session")
def bare_world(make_world: Callable[..., World]) -> World:
    """Implicit events, no categories, numbers or attributes: as little as there may be."""
    return make_world(explicit=False, categories=False, numeric=False, attributes=False)


@pytest.fixture(scope="session")
def trained(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of a retrieval and a ranker export, trained through TFX's entry points."""
    folder = tmp_path_factory.mktemp("trained")
    shared = {
        "train_files": [
            str(world.folder / "transformed" / f"Split-{split}" / "*")
            for split in ("train", "late", "ranking", "items")
        ],
        "eval_files": [str(world.folder / "transformed" / f"Split-{features.EVAL_SPLIT}" / "*")],
        "transform_output": world.transform_graph,
    }
    paths = {name: str(folder / name) for name in ("retrieval", "ranker")}
    options: dict[str, Any] = {"batch_size": 16, "hidden_units": 8}
    retrieval_options = {"embedding_dimension": 8, "max_epochs": 4, "negatives": {"drawn": 32}}
    context = {"explicit": True, "rating_range": [1.0, 5.0], "seed": 5}
    train_retrieval.run_fn(
        types.SimpleNamespace(
            **shared,
            serving_model_dir=paths["retrieval"],
            model_run_dir=str(folder / "retrieval_logs"),
            custom_config={"options": options | retrieval_options, **context},
        )
    )
    train_ranking.run_fn(
        types.SimpleNamespace(
            **shared,
            base_model=paths["retrieval"],
            serving_model_dir=paths["ranker"],
            model_run_dir=str(folder / "ranking_logs"),
            custom_config={
                "options": options | {"max_epochs": 1, "negatives": 16},
                **context,
            },
        )
    )
    return paths


@pytest.fixture(scope="session", params=["scann", "brute_force"])
def built(
    request: pytest.FixtureRequest,
    world: World,
    trained: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Built]:
    """A whole servable of each kind of index, loaded."""
    path = str(tmp_path_factory.mktemp("servable") / request.param)
    report = build_servable(
        BuildSources(
            transform_graph=world.transform_graph,
            retrieval=trained["retrieval"],
            ranker=trained["ranker"],
            items=str(world.folder / "raw" / f"Split-{features.ITEMS_SPLIT}"),
            users=str(world.folder / "raw" / f"Split-{features.USERS_SPLIT}"),
        ),
        path,
        MAX_HISTORY,
        # ScaNN's partitions and quantisation too, but so that all of a tiny catalogue is found.
        IndexOptions(kind=request.param, partition_from=1, leaves_searched_fraction=1.0),
        ServingOptions(max_k=100, candidates=100, max_request_items=50, max_batch=10),
    )
    model = tf.saved_model.load(path)
    yield Built(path, report, world, model.signatures)
    del model
