"""Runs the graph as far as Transform and opens what came of it, for models fitted in process."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.processes import BenchmarkError
from components.data_files import data_files
from models import features
from models.id_table import id_table
from models.query_parser import QueryParser
from models.raw_data import serialized_batches
from models.transformed_data import TransformedData
from pipeline.config import Config
from pipeline.dag import TRANSFORMED_SPLITS, RunInputs
from pipeline.fingerprint import code_fingerprint, data_fingerprint
from pipeline.interrupts import watch_interrupts
from pipeline.layout import OutputLayout
from pipeline.local_runner import LocalRunner
from pipeline.progress_display import ProgressDisplay

LAST_NODE = "Transform"
STATE_LENGTH = 12  # hexadecimal digits of a folder's name


@dataclass(frozen=True)
class Users:
    """Users after their newest interaction, as models embed them.

    Attributes:
        ids: of the users.
        inputs: transformed features, each [U, ...].
    """

    ids: list[str]
    inputs: dict[str, NDArray[Any]]

    def rows(self, places: NDArray[np.int64]) -> dict[str, tf.Tensor]:
        """Returns the features of some users, each [B, ...], no wider than they need."""
        rows = {name: column[places] for name, column in self.inputs.items()}
        seen = rows[features.SEEN_INDEX]
        rows[features.SEEN_INDEX] = seen[:, : max(1, int((seen > 0).sum(axis=1).max()))]
        return {name: tf.constant(column) for name, column in rows.items()}


@dataclass(frozen=True)
class Transformed:
    """What models learn from and are asked for.

    Attributes:
        data: transformed examples of the train, eval and items splits.
        users: everyone.
        item_ids: ids of items 1 to N, in order.
    """

    data: TransformedData
    users: Users
    item_ids: list[str]


def run_transform(config: Config, data_dir: Path, output: Path, console: Console) -> Transformed:
    """Runs the components up to Transform in this process, or finds what they wrote before.

    Args:
        config: the configuration.
        data_dir: folder of the interactions and the catalogue.
        output: folder for artifacts and metadata.
        console: shows the progress.

    Returns:
        What they wrote.
    """
    inputs = _run_inputs(config, data_dir.absolute(), output.absolute())
    # A folder for each state of data, code and configuration: its newest artifacts are the ones.
    state = (inputs.data_fingerprint, inputs.code_fingerprint, config.model_dump_json())
    name = hashlib.sha256("".join(state).encode()).hexdigest()[:STATE_LENGTH]
    layout = OutputLayout(output.absolute() / f"transform-{name}")
    runner = LocalRunner(config, inputs, layout, LAST_NODE)
    with watch_interrupts() as interrupts:
        runner.run(ProgressDisplay(console, runner.node_count), interrupts)
    return open_transformed(layout.artifacts)


def open_transformed(artifacts: Path) -> Transformed:
    """Opens the newest artifacts of a folder.

    Args:
        artifacts: of a run.

    Raises:
        BenchmarkError: if an artifact is missing.
    """
    graph = str(_newest(artifacts / LAST_NODE / "transform_graph"))
    examples = _newest(artifacts / LAST_NODE / "transformed_examples")
    patterns = [str(examples / f"Split-{split}" / "*") for split in TRANSFORMED_SPLITS]
    data = TransformedData(patterns, graph)
    vocabulary = data.transform_output.vocabulary_by_name(features.ITEM_VOCABULARY)
    raw = _newest(artifacts / "InteractionExampleGen" / "examples")
    return Transformed(
        data=data,
        users=_read_users(raw / f"Split-{features.USERS_SPLIT}", data),
        item_ids=[item_id.decode() for item_id in vocabulary],
    )


def _run_inputs(config: Config, data_dir: Path, output: Path) -> RunInputs:
    layout = OutputLayout(output)
    files = map(Path, data_files(str(data_dir), config.data))
    return RunInputs(
        data_dir=str(data_dir),
        data_fingerprint=data_fingerprint(data_dir, files),
        code_fingerprint=code_fingerprint(),
        serving_dir=str(layout.serving),
        reports_dir=str(layout.reports),
        run_id="benchmark",
    )


def _newest(folder: Path) -> Path:
    """The artifact of the last execution; executions are numbered."""
    numbered = [path for path in folder.glob("*") if path.name.isdecimal()]
    if not numbered:
        raise BenchmarkError(f"{folder} must hold an artifact. Received: none. See the run's log.")
    return max(numbered, key=lambda path: int(path.name))


def _read_users(folder: Path, data: TransformedData) -> Users:
    parser = QueryParser(data.transform_output)
    index_of = id_table(data.transform_output.vocabulary_file_by_name(features.ITEM_VOCABULARY))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        query = parser.parse(serialized)
        user_id = tf.io.FixedLenFeature([], tf.string)
        ids = tf.io.parse_example(serialized, {features.USER_ID: user_id})[features.USER_ID]
        return ids, query.inputs | {features.SEEN_INDEX: index_of.lookup(query.seen_item_id) + 1}

    parts = [parse(batch) for batch in serialized_batches(str(folder))]
    ids = [user_id.decode() for part, _ in parts for user_id in part.numpy()]
    widest = max(inputs[features.SEEN_INDEX].shape[1] for _, inputs in parts)
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in parts[0][1]}
    for _, inputs in parts:
        for name, tensor in inputs.items():
            values = tensor.numpy()
            if name == features.SEEN_INDEX:
                values = np.pad(values, [(0, 0), (0, widest - values.shape[1])])
            columns[name].append(values)
    return Users(ids, {name: np.concatenate(column) for name, column in columns.items()})
