import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

EVALUATED_LENGTH = 100
POPULAR = [b"i0", b"i1", b"i2", b"i3", b"i4"]
COUNTS = [50.0, 40.0, 30.0, 20.0, 10.0]


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """Where one run of the Evaluator left its artifacts."""

    evaluation: Any
    blessing: Any
    baseline: Any
    model: Any
    examples: Any


@pytest.fixture(scope="session")
def serialize() -> Callable[..., bytes]:
    """Makes a serialized Example out of lists of bytes or floats."""
    import tensorflow as tf

    def make(**values: list[Any]) -> bytes:
        def feature(value: list[Any]) -> tf.train.Feature:
            if value and isinstance(value[0], bytes):
                return tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
            return tf.train.Feature(float_list=tf.train.FloatList(value=value))

        made = {name: feature(value) for name, value in values.items()}
        return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()

    return make


@pytest.fixture(scope="session")
def write_split() -> Callable[[pathlib.Path, list[bytes]], None]:
    """Writes a split's folder as TFX's example generators do."""
    import tensorflow as tf

    def write(folder: pathlib.Path, rows: list[bytes]) -> None:
        folder.mkdir(parents=True)
        path = str(folder / "data_tfrecord-00000-of-00001.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for row in rows:
                writer.write(row)

    return write


@pytest.fixture(scope="session")
def queries(serialize) -> list[bytes]:
    """Three queries over the catalogue i0 to i4, whose training ratings have the mean 3."""
    return [
        serialize(
            user_id=[b"u0"],
            user_interaction_count=[1.0],
            user_mean_rating=[4.0],
            seen_item_id=[b"i0"],
            chosen_item_id=[b"i4"],
            chosen_rating=[4.0],
            user_activity=[b"low"],
            user_taste=[b"niche"],
        ),
        serialize(
            user_id=[b"u1"],
            user_interaction_count=[1.0],
            user_mean_rating=[2.0],
            seen_item_id=[b"i0"],
            chosen_item_id=[b"i1", b"i4"],
            chosen_rating=[3.0, 5.0],
            user_activity=[b"high"],
            user_taste=[b"niche"],
        ),
        serialize(
            user_id=[b"u2"],
            user_interaction_count=[0.0],
            chosen_item_id=[b"i3"],
            chosen_rating=[2.0],
            user_activity=[b"high"],
            user_taste=[b"mixed"],
        ),
    ]


@pytest.fixture(scope="session")
def examples(tmp_path_factory, queries, serialize, write_split):
    """An Examples artifact with the splits queries, users and items."""
    from tfx.types import standard_artifacts

    root = tmp_path_factory.mktemp("examples")
    write_split(root / "Split-queries", queries)
    write_split(
        root / "Split-users",
        [
            serialize(user_id=[b"u0"], history_item_id=[b"i0", b"gone"]),
            serialize(user_id=[b"u1"]),
        ],
    )
    items = [
        serialize(item_id=[item], item_interaction_count=[count])
        for item, count in zip(POPULAR, COUNTS, strict=True)
    ]
    write_split(root / "Split-items", items)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(root)
    artifact.split_names = json.dumps(["queries", "users", "items"])
    return artifact


@pytest.fixture(scope="session")
def model_artifact() -> Callable[[pathlib.Path], Any]:
    """Makes a Model artifact around a folder."""
    from tfx.types import standard_artifacts

    def make(root: pathlib.Path) -> Any:
        artifact = standard_artifacts.Model()
        artifact.uri = str(root)
        return artifact

    return make


@pytest.fixture(scope="session")
def save_candidate() -> Callable[[pathlib.Path, str], None]:
    """Writes a SavedModel.

    It recommends what was chosen ("oracle"), what is popular ("popular"), or to everyone one list
    that holds what anybody chose, out of a large catalogue ("same").
    """
    import tensorflow as tf

    from models import contract, features

    def one_list(items: list[bytes], users: tf.Tensor) -> tf.Tensor:
        padded = items + [b""] * (EVALUATED_LENGTH - len(items))
        return tf.tile(tf.constant([padded]), [users, 1])

    class Candidate(tf.Module):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind = kind

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def evaluate(self, examples):
            spec = {features.CHOSEN_ITEM_ID: tf.io.RaggedFeature(tf.string)}
            chosen = tf.io.parse_example(examples, spec)[features.CHOSEN_ITEM_ID].to_tensor(b"")
            users = tf.shape(examples)[0]
            padding = tf.fill([users, EVALUATED_LENGTH - tf.shape(chosen)[1]], b"")
            lists = {
                "oracle": tf.concat([chosen, padding], axis=1),
                "popular": one_list(POPULAR, users),
                "same": one_list(POPULAR[::-1], users),
            }
            recommended = lists[self.kind]
            same = self.kind == "same"
            return {
                contract.RECOMMENDED_ITEM_ID: recommended,
                contract.POPULAR_ITEM_ID: lists["popular"],
                contract.HISTORY_ONLY_ITEM_ID: lists["popular"],
                contract.CATEGORIES_ONLY_ITEM_ID: lists["popular"],
                contract.RECOMMENDED_INTERACTIONS: tf.where(recommended == b"", 0.0, 30.0),
                contract.CHOSEN_INTERACTIONS: tf.where(chosen == b"", -1.0, 30.0),
                contract.CHOSEN_PREDICTED_RATING: tf.where(chosen == b"", 0.0, 3.0),
                contract.INTRA_LIST_DISTANCE: tf.fill([users], 0.0 if same else 0.5),
                contract.CATALOGUE_SIZE: tf.fill(
                    [users], tf.constant(1_000_000 if same else 5, tf.int64)
                ),
                contract.TOTAL_INTERACTIONS: tf.fill([users], 120.0),
            }

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="user_id"),
                tf.TensorSpec([], tf.int32, name="k"),
            ]
        )
        def recommend(self, user_id, k):
            users = tf.shape(user_id)[0]
            items = tf.tile(tf.constant([[b"i1", b"i2", b""]])[:, :k], [users, 1])
            return {
                contract.ITEM_ID: items,
                contract.SCORE: tf.where(items == b"", 0.0, 0.5),
                contract.SOURCE: tf.where(items == b"", "", "two_tower"),
            }

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="item_id")])
        def describe_items(self, item_id):
            title = tf.strings.join(["<script>alert(1)</script> & ", item_id])
            known = tf.strings.regex_full_match(item_id, "i[0-9]")
            empty = tf.zeros([tf.shape(item_id)[0], 0], tf.string)
            return {contract.TITLE: tf.where(known, title, ""), contract.CATEGORY: empty}

    def save(path: pathlib.Path, kind: str) -> None:
        candidate = Candidate(kind)
        signatures = {
            contract.EVALUATE: candidate.evaluate,
            contract.RECOMMEND: candidate.recommend,
            contract.DESCRIBE_ITEMS: candidate.describe_items,
        }
        tf.saved_model.save(candidate, str(path), signatures=signatures)

    return save


@pytest.fixture(scope="session")
def run_evaluator(examples, model_artifact) -> Callable[..., Evaluated]:
    """Runs TFX's own Evaluator executor on a candidate and a baseline."""
    from tfx.components.evaluator.executor import Executor
    from tfx.types import standard_artifacts
    from tfx.utils import json_utils, proto_utils

    from components.evaluation import eval_config

    def run(root: pathlib.Path, model: Any, baseline: Any, options: Any, **kwargs) -> Evaluated:
        evaluation = standard_artifacts.ModelEvaluation()
        evaluation.uri = str(root / "evaluation")
        blessing = standard_artifacts.ModelBlessing()
        blessing.uri = str(root / "blessing")
        evaluated_examples = kwargs.pop("examples", examples)
        config = eval_config(options, **kwargs)
        Executor().Do(
            {
                "examples": [evaluated_examples],
                "model": [model],
                "baseline_model": [baseline],
            },
            {"evaluation": [evaluation], "blessing": [blessing]},
            {
                "eval_config": proto_utils.proto_to_json(config),
                "example_splits": json_utils.dumps(["queries"]),
                "module_path": "components.evaluation_models",
            },
        )
        return Evaluated(evaluation, blessing, baseline, model, evaluated_examples)

    return run


@pytest.fixture(scope="session")
def baseline_artifact(tmp_path_factory, examples, model_artifact):
    """The most-popular baseline, as the resolver writes it on the first run."""
    from components.baseline_resolver import BaselineResolver

    baseline = model_artifact(tmp_path_factory.mktemp("baseline"))
    BaselineResolver.test_call(
        model=model_artifact(pathlib.Path("unread")),
        examples=examples,
        serving_dir="nowhere",
        baseline=baseline,
    )
    return baseline


@pytest.fixture(scope="session")
def blessed(
    tmp_path_factory, save_candidate, model_artifact, run_evaluator, baseline_artifact
) -> Evaluated:
    """The Evaluator's run on a candidate that recommends what was chosen."""
    from components.gate_options import GateOptions

    root = tmp_path_factory.mktemp("blessed")
    save_candidate(root / "model" / "Format-Serving", "oracle")
    return run_evaluator(root, model_artifact(root / "model"), baseline_artifact, GateOptions())


@pytest.fixture(scope="session")
def refused(
    tmp_path_factory, save_candidate, model_artifact, run_evaluator, baseline_artifact
) -> Evaluated:
    """The Evaluator's run on a candidate that recommends what is popular."""
    from components.gate_options import GateOptions

    root = tmp_path_factory.mktemp("refused")
    save_candidate(root / "model" / "Format-Serving", "popular")
    options = GateOptions(max_relative_drop={"mrr": 0.1, "rating_rmse": 0.1})
    return run_evaluator(root, model_artifact(root / "model"), baseline_artifact, options)


# Items have the categories x and y. u: a b c d, two of them at second 2. v: b a. w: one alone.
CATALOGUE = "id,name,tags\na,A,x|y\nb,B,y\nc,C,\nd,D,x\n"
INTERACTIONS = (
    "who,what,stars,when\nu,a,1,1\nu,b,2,2\nv,b,4,3\nu,c,3,2\nu,d,4,9\nw,a,5,5\nv,a,2,8\n"
)


@pytest.fixture(scope="session")
def interactions() -> str:
    """The log that `generate` reads if not told another."""
    return INTERACTIONS


@pytest.fixture(scope="session")
def data_options() -> Callable[..., Any]:
    """Makes DataOptions for the files of `generate`; `a__b=value` changes the key a.b."""
    from components.options import DataOptions

    def make(**changes: Any) -> DataOptions:
        settings: dict[str, Any] = {
            "interactions": {
                "file": "log*.csv",
                "columns": {"user": "who", "item": "what", "rating": "stars", "timestamp": "when"},
            },
            "catalogue": {
                "file": "things.csv",
                "columns": {"item": "id", "title": "name", "categories": "tags"},
            },
            "split": {"strategy": "time_per_user", "eval_fraction": 0.5, "late_fraction": 0.5},
            "max_rejected_fraction": 0.0,
        }
        for path, value in changes.items():
            *parents, last = path.split("__")
            part = settings
            for parent in parents:
                part = part[parent]
            part[last] = value
        return DataOptions(**settings)

    return make


@pytest.fixture
def generate(tmp_path):
    """Runs both generators on texts; returns the Examples by split, and the rejected folder."""
    import apache_beam as beam
    from tfx.types import standard_artifacts

    from components import example_files
    from components.catalog_example_gen import write_catalogue
    from components.interaction_example_gen import write_interactions
    from components.write_pass import USER_SPLITS

    def decode(example: Any) -> dict[str, list[Any]]:
        found = {}
        for name, feature in example.features.feature.items():
            values = list(getattr(feature, feature.WhichOneof("kind")).value)
            found[name] = [v.decode() if isinstance(v, bytes) else v for v in values]
        return found

    def run(
        settings: Any,
        log: str | dict[str, str] = INTERACTIONS,
        things: str = CATALOGUE,
        people: str | None = None,
    ) -> tuple[dict[str, list[dict[str, list[Any]]]], pathlib.Path]:
        logs = {"log.csv": log} if isinstance(log, str) else log
        texts = {**logs, "things.csv": things} | ({"people.csv": people} if people else {})
        for name, text in texts.items():
            (tmp_path / name).write_text(text, newline="")
        uris, splits = {}, [*USER_SPLITS, "items"]
        for name, declared in (("catalogue", ["items"]), ("examples", splits)):
            artifact = standard_artifacts.Examples()
            artifact.uri = uris[name] = str(tmp_path / name)
            example_files.declare_splits(artifact, declared)
        data, rejected = str(tmp_path), tmp_path / "rejected"
        write_catalogue(beam.Pipeline(), data, settings, uris["catalogue"], str(tmp_path / "items"))
        write_interactions(
            beam.Pipeline(), uris["catalogue"], data, settings, uris["examples"], str(rejected)
        )
        examples = {
            split: [decode(e) for e in example_files.read_examples(uris["examples"], split)]
            for split in splits
        }
        return examples, rejected

    return run
