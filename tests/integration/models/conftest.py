"""A tiny world with two tastes, transformed, trained and built into servables once a session."""

import dataclasses
import pathlib
import types
from collections.abc import Callable
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
from models.candidates.options import CandidateOptions
from models.options import IndexOptions, RerankingOptions, ServingOptions
from models.preprocessing import preprocessing_fn
from models.servable_builder import BuildOptions, BuildReport, BuildSources, build_servable

Row = dict[str, list[Any]]
Split = dict[str, list[Row]]

MAX_HISTORY = 5
SERVING = ServingOptions(max_k=100, candidates=100, max_request_items=50, max_batch=10)
USERS, ITEMS = 20, 40
PLACES = (b"north", b"south")
CATEGORIES = (b"even", b"odd")  # user u and item i like each other where both are even or odd
# Strong enough to tell two tastes apart from a few hundred interactions.
CANDIDATES = CandidateOptions.model_validate(
    {"beside": [{"kind": "ease", "regularization": 10.0}, {"kind": "weighted_factorization"}]}
)


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
    model: Any  # which the signatures do not live without

    def ask(self, signature: str, **inputs: Any) -> dict[str, Any]:
        """Calls a signature."""
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def ask_with_context(self, user: bytes, k: int, **context: Any) -> dict[str, Any]:
        """Calls recommend_with_context for one user, with nothing in the context if not told."""
        lists = ("history_item_id", "exclude_item_id", "exclude_category")
        nothing = dict.fromkeys(lists, [[b""]]) | dict.fromkeys(("diversity", "freshness"), [0.0])
        inputs = {"user_id": [user], "k": k} | nothing | context
        return self.ask("recommend_with_context", **inputs)

    def seen_by(self, user: int) -> set[bytes]:
        return set(self.world.raw["users"][user].get(features.SEEN_ITEM_ID, []))

    def counts(self) -> dict[bytes, float]:
        """Interactions in training of each item."""
        return {
            row[features.ITEM_ID][0]: row[features.ITEM_INTERACTION_COUNT][0]
            for row in self.world.raw["items"]
        }


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
        features.TIMESTAMP: [60 * len(past)],
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
                features.ITEM_AGE_DAYS: [] if item % 7 == 0 else [100.0 * (ITEMS - 1 - item)],
                features.ITEM_FLAG: [b"withdrawn"] if item % 10 == 3 else [],
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
        dropped = {features.ITEM_TITLE, features.ITEM_AGE_DAYS, features.ITEM_FLAG}
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
        types = {bytes: tf.string, float: tf.float32, int: tf.int64}
        spec = {
            name: tf.io.VarLenFeature(types[type(value[0])])
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
    """Paths of the exports, trained through TFX's entry points."""
    folder = tmp_path_factory.mktemp("trained")
    paths = {name: str(folder / name) for name in ("earlier", "retrieval", "ranker")}
    context = {
        "candidates": CANDIDATES.model_dump(),
        "explicit": True,
        "rating_range": [1.0, 5.0],
        "seed": 5,
    }

    def train(run_fn: Callable[[Any], None], name: str, base: str = "", **config: Any) -> None:
        splits = ("train", "late", "ranking", "items", "eval")
        files = [str(world.folder / "transformed" / f"Split-{split}" / "*") for split in splits]
        run_fn(
            types.SimpleNamespace(
                train_files=files[:-1],
                eval_files=files[-1:],
                transform_output=world.transform_graph,
                base_model=base,
                serving_model_dir=paths[name],
                model_run_dir=str(folder / f"{name}_logs"),
                custom_config={**config, **context},
            )
        )

    towers = {
        "embedding_dimension": 8,
        "hidden_units": 8,
        "batch_size": 16,
        "max_epochs": 4,
        "negatives": {"drawn": 32},
    }
    train(train_retrieval.run_fn, "earlier", options=towers, earlier=True)
    train(train_retrieval.run_fn, "retrieval", options=towers, earlier=False)
    train(
        train_ranking.run_fn,
        "ranker",
        base=paths["earlier"],
        options={"hidden_units": 8, "max_epochs": 5, "rating": {"max_epochs": 1}},
        index=IndexOptions().model_dump(),
        size=SERVING.candidates,
        positions=False,
    )
    return paths


@pytest.fixture(scope="session")
def sources(world: World, trained: dict[str, str]) -> BuildSources:
    """What a servable is built from."""
    return BuildSources(
        transform_graph=world.transform_graph,
        retrieval=trained["retrieval"],
        ranker=trained["ranker"],
        transformed=str(world.folder / "transformed" / f"Split-{features.ITEMS_SPLIT}"),
        items=str(world.folder / "raw" / f"Split-{features.ITEMS_SPLIT}"),
        users=str(world.folder / "raw" / f"Split-{features.USERS_SPLIT}"),
    )


@pytest.fixture(scope="session")
def build(
    world: World, sources: BuildSources, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Built]:
    """Builds a whole servable with the given kind of index and re-ranking, and loads it."""

    def make(kind: str, **reranking: Any) -> Built:
        path = str(tmp_path_factory.mktemp("servable") / kind)
        options = BuildOptions(
            max_history=MAX_HISTORY,
            candidates=CANDIDATES,
            # ScaNN's partitions and quantisation too, but so that all of a tiny catalogue is found.
            index=IndexOptions(kind=kind, partition_from=1, leaves_searched_fraction=1.0),
            reranking=RerankingOptions(**reranking),
            serving=SERVING,
        )
        report = build_servable(sources, path, options)
        model = tf.saved_model.load(path)
        return Built(path, report, world, model.signatures, model)

    return make


@pytest.fixture(scope="session", params=["scann", "brute_force"])
def built(request: pytest.FixtureRequest, build: Callable[..., Built]) -> Built:
    """A whole servable of each kind of index, loaded."""
    return build(request.param)
