"""The baseline model: the last pushed one if it still works, else a most-popular servable."""

import dataclasses
import gc
import logging
import os
import shutil

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.errors import GateError
from components.example_dataset import example_dataset
from models import contract, features
from models.popular_servable import save_popular_servable

SOURCE_PROPERTY = "source"
REASON_PROPERTY = "reason"
MOST_POPULAR = "most_popular"

_EVALUATE_OUTPUTS = (
    contract.RECOMMENDED_ITEM_ID,
    contract.POPULAR_ITEM_ID,
    contract.HISTORY_ONLY_ITEM_ID,
    contract.CATEGORIES_ONLY_ITEM_ID,
    contract.RECOMMENDED_INTERACTIONS,
    contract.CHOSEN_INTERACTIONS,
    contract.CHOSEN_PREDICTED_RATING,
    contract.INTRA_LIST_DISTANCE,
    contract.CATALOGUE_SIZE,
    contract.TOTAL_INTERACTIONS,
)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Which model became the baseline, and why."""

    source: str  # "pushed:<version>" or MOST_POPULAR
    reason: str


def write_baseline(serving_dir: str, queries_uri: str, items_uri: str, model_path: str) -> Baseline:
    """Writes the baseline's SavedModel.

    Args:
        serving_dir: holds a folder for each pushed version.
        queries_uri: folder with the files of the queries split.
        items_uri: folder with the files of the items split.
        model_path: folder to write the SavedModel into.

    Raises:
        GateError: if the queries or the items split is empty.
    """
    version = last_version(serving_dir)
    if version is None:
        reason = f"No model has been pushed to {serving_dir} yet."
    else:
        pushed_path = os.path.join(serving_dir, str(version))
        problem = why_unusable(pushed_path, _first_query(queries_uri))
        if problem is None:
            copy_model(pushed_path, model_path)
            return Baseline(f"pushed:{version}", f"Version {version} was pushed last.")
        reason = f"Version {version} was pushed last, but cannot be evaluated: {problem}"
    logging.info("The baseline recommends what is most popular. %s", reason)
    item_ids, counts = _catalogue(items_uri)
    save_popular_servable(model_path, item_ids, counts, _mean_rating(queries_uri))
    return Baseline(MOST_POPULAR, reason)


def last_version(serving_dir: str) -> int | None:
    """Returns the highest version whose SavedModel is complete, or None.

    The Pusher copies saved_model.pb last, so a folder without it is a push that broke off.
    """
    if not fileio.exists(serving_dir):
        return None
    versions = [
        int(name)
        for name in (str(entry).rstrip("/") for entry in fileio.listdir(serving_dir))
        if name.isdecimal() and fileio.exists(os.path.join(serving_dir, name, "saved_model.pb"))
    ]
    return max(versions, default=None)


def why_unusable(model_path: str, query: bytes) -> str | None:
    """Tries a model on one query.

    A model that was trained on other features cannot read today's queries; it must not make the
    Evaluator fail.

    Args:
        model_path: folder of a SavedModel.
        query: a serialized query Example.

    Returns:
        What is wrong in one line, or None where nothing is.
    """
    import scann  # noqa: F401  registers the operations of the index

    try:
        model = tf.saved_model.load(model_path)
        if contract.EVALUATE not in model.signatures:
            return f"it has no signature {contract.EVALUATE!r}."
        signature = model.signatures[contract.EVALUATE]
        outputs = signature(**{contract.EXAMPLES: tf.constant([query])})
        missing = sorted(set(_EVALUATE_OUTPUTS) - set(outputs))
        return f"its evaluate signature lacks {', '.join(missing)}." if missing else None
    except (tf.errors.OpError, ValueError, TypeError, KeyError, OSError, AttributeError) as err:
        return " ".join(f"{type(err).__name__}: {err}".split())[:300]
    finally:
        # The index may fill gigabytes, and the Evaluator loads models next.
        model = signature = None
        gc.collect()


def copy_model(source: str, destination: str) -> None:
    """Copies a SavedModel, by hard links where both are on one local file system."""
    if not os.path.isdir(source):
        io_utils.copy_dir(source, destination)
        return
    shutil.copytree(source, destination, copy_function=_link_or_copy, dirs_exist_ok=True)


def _link_or_copy(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def _first_query(queries_uri: str) -> bytes:
    for record in example_dataset(queries_uri).take(1).as_numpy_iterator():
        return bytes(record)
    raise GateError(
        f"Expected at least one query to evaluate on in {queries_uri}. Received none. "
        "Raise data.split.eval_fraction or give more data."
    )


def _catalogue(items_uri: str) -> tuple[list[bytes], npt.NDArray[np.float32]]:
    spec = {
        features.ITEM_ID: tf.io.FixedLenFeature([], tf.string),
        features.ITEM_INTERACTION_COUNT: tf.io.FixedLenFeature([], tf.float32, 0.0),
    }
    item_ids: list[bytes] = []
    counts: list[npt.NDArray[np.float32]] = []
    for batch in _parsed(items_uri, spec):
        item_ids.extend(batch[features.ITEM_ID].tolist())
        counts.append(batch[features.ITEM_INTERACTION_COUNT])
    if not item_ids:
        raise GateError(f"Expected the catalogue's items in {items_uri}. Received none.")
    return item_ids, np.concatenate(counts)


def _mean_rating(queries_uri: str) -> float:
    # A query knows its user's count and mean as of the split, so together they give the mean of the
    # training ratings without a pass over the train split.
    spec = {
        features.USER_INTERACTION_COUNT: tf.io.FixedLenFeature([], tf.float32, 0.0),
        features.USER_MEAN_RATING: tf.io.FixedLenFeature([], tf.float32, float("nan")),
    }
    total, ratings = 0.0, 0.0
    for batch in _parsed(queries_uri, spec):
        mean = batch[features.USER_MEAN_RATING].astype(np.float64)
        count = np.where(np.isnan(mean), 0.0, batch[features.USER_INTERACTION_COUNT])
        total += float(np.nan_to_num(mean) @ count)
        ratings += float(count.sum())
    return total / ratings if ratings else 0.0


def _parsed(uri: str, spec: dict[str, tf.io.FixedLenFeature]) -> tf.data.NumpyIterator:
    batches = example_dataset(uri).batch(4096)
    return batches.map(lambda rows: tf.io.parse_example(rows, spec)).as_numpy_iterator()
