"""Reads transformed examples: the items as a table, the interactions as a stream of batches."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from scipy import sparse

from models import features
from models.item_table import ItemTable, item_table
from models.retrieval.interaction_table import InteractionTable

SHUFFLE_BUFFER = 200_000  # serialized examples, about 1 KB each
READ_BATCH = 4096
MOST_SEEN = 4096  # items of a held-out row: 33 KB, of which a few thousand are kept

INTERACTION_FEATURES = (*features.USER_FEATURES, features.ITEM_INDEX, features.LABEL_RATING)
ITEM_FEATURES = (
    features.ITEM_INDEX,
    features.ITEM_CATEGORY_MULTI_HOT,
    features.ITEM_NUMERIC,
    features.ITEM_LOG_FREQUENCY,
)


class TransformedData:
    """The transformed examples of one Transform run."""

    def __init__(self, patterns: Sequence[str], transform_graph: str):
        """Opens the data.

        Args:
            patterns: file patterns of gzip TFRecords; the folder of each is named after its split.
            transform_graph: path of the transform graph.
        """
        self._patterns = patterns
        self._by_split: dict[str, tf.data.Dataset] = {}  # interactions in order, sorted once
        self._items: ItemTable | None = None
        self._table: InteractionTable | None = None
        self.transform_output = tft.TFTransformOutput(transform_graph)
        self._spec = self.transform_output.transformed_feature_spec()

    def items(self) -> ItemTable:
        """Returns the catalogue, read once."""
        if self._items is None:
            self._items = item_table(self._read(features.ITEMS_SPLIT, ITEM_FEATURES))
        return self._items

    def users(self) -> int:
        """Returns the number of users with training interactions."""
        return self.transform_output.vocabulary_size_by_name(features.USER_VOCABULARY)

    def user_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the shapes of what a user is embedded from, each [None, ...]."""
        specs = {
            name: tf.TensorSpec([None, *self._spec[name].shape], self._spec[name].dtype, name)
            for name in features.USER_FEATURES
        }
        seen = tf.TensorSpec([None, None], tf.int64, features.SEEN_INDEX)
        return specs | {features.SEEN_INDEX: seen}

    def table(self) -> InteractionTable:
        """Returns the training interactions by user and item, read into memory once."""
        if self._table is None:
            names = (features.USER_INDEX, features.ITEM_INDEX, features.LABEL_RATING)
            columns = self._read(features.TRAIN_SPLIT, names)
            user, item, rating = (columns[name] for name in names)
            order = np.lexsort((item, user))
            self._table = InteractionTable(
                user[order], item[order], rating[order], self.users(), self.items().size
            )
        return self._table

    def interactions(self, split: str, batch_size: int, seed: int) -> tf.data.Dataset:
        """Streams shuffled batches of interactions, the last incomplete one left out.

        Args:
            split: `train` or `eval`.
            batch_size: examples in a batch; a smaller split is one batch.
            seed: of the order, which differs from epoch to epoch.

        Returns:
            Batches: a dict of INTERACTION_FEATURES and SEEN_INDEX.
        """
        records = self._ordered(split)
        available = records.take(batch_size).reduce(np.int64(0), lambda count, _: count + 1)
        return (
            records.shuffle(SHUFFLE_BUFFER, seed=seed, reshuffle_each_iteration=True)
            .batch(available, drop_remainder=True, num_parallel_calls=tf.data.AUTOTUNE)
            .map(self._parser(INTERACTION_FEATURES), num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )

    def sample(self, split: str, most: int, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """Reads a random part of a split's interactions, at most `most`, in memory."""
        records = self._ordered(split)
        records = records.shuffle(SHUFFLE_BUFFER, seed=seed).take(most)
        return _concatenated(
            records.batch(READ_BATCH).map(self._parser(INTERACTION_FEATURES)), split
        )

    def held_out(self, most: int, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """Reads a random part of the eval split's interactions, to validate or calibrate on.

        Args:
            most: interactions, at most.
            seed: of the choice.

        Returns:
            Columns as of `sample`; but SEEN_INDEX holds all that the user has seen, as where the
            model serves: the example's history, then all else they were trained with.
        """
        columns = self.sample(features.EVAL_SPLIT, most, seed)
        columns[features.SEEN_INDEX] = with_training(columns, self.table().matrix())
        return columns

    def _read(self, split: str, names: Sequence[str]) -> dict[str, npt.NDArray[np.generic]]:
        batches = self._records(split).batch(READ_BATCH)
        parsed = batches.map(self._parser(names), num_parallel_calls=tf.data.AUTOTUNE)
        return _concatenated(parsed, split)

    def _records(self, split: str) -> tf.data.Dataset:
        folder = f"Split-{split}"
        patterns = [p for p in self._patterns if PurePath(p).parent.name == folder]
        if not patterns:
            raise ValueError(
                f"a folder {folder} was expected among {list(self._patterns)}. "
                "Name the split in the Trainer's train_args or eval_args."
            )
        files = tf.data.Dataset.list_files(patterns, shuffle=False)
        return tf.data.TFRecordDataset(files, compression_type="GZIP")

    def _ordered(self, split: str) -> tf.data.Dataset:
        if split not in self._by_split:
            self._by_split[split] = self._in_fixed_order(self._records(split))
        return self._by_split[split]

    def _in_fixed_order(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Sorts interactions, as many as fit into the shuffle's buffer.

        Beam writes them in another order each time, and without this the same seed would not give
        the same model. More than fit are left as they come.
        """
        serialized = np.array(
            list(records.take(SHUFFLE_BUFFER + 1).as_numpy_iterator()), dtype=object
        )
        if not 0 < len(serialized) <= SHUFFLE_BUFFER:
            return records
        # By content: the features of an Example may be serialized in any order, too.
        keys = self._parser((features.USER_INDEX, features.ITEM_INDEX, features.USER_STATISTICS))
        parts = [
            keys(serialized[start : start + READ_BATCH])
            for start in range(0, len(serialized), READ_BATCH)
        ]
        user, item, statistics = (
            np.concatenate([part[name] for part in parts])
            for name in (features.USER_INDEX, features.ITEM_INDEX, features.USER_STATISTICS)
        )
        # Users whom the vocabulary lacks share an index; their statistics tell most of them apart.
        order = np.lexsort((statistics[:, 0], item, user))
        return tf.data.Dataset.from_tensor_slices(serialized[order])

    def _parser(self, names: Sequence[str]) -> "tf.types.experimental.GenericFunction":
        spec = {name: self._spec[name] for name in names}

        def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
            parsed = tf.io.parse_example(serialized, spec)
            if features.HISTORY_INDEX in parsed:
                # An interaction's example keeps no more of what was seen before it.
                parsed[features.SEEN_INDEX] = parsed[features.HISTORY_INDEX]
            return parsed

        return parse


def with_training(
    held_out: dict[str, npt.NDArray[np.generic]], trained: sparse.csr_matrix
) -> npt.NDArray[np.int64]:
    """Joins the histories of held-out interactions with the users' training interactions.

    Args:
        held_out: transformed interactions, each column [n, ...].
        trained: [U, N], non-zero where user u + 1 was trained with item i + 1.

    Returns:
        int64 [n, longest], each item once, 0 pads; MOST_SEEN columns at most.
    """
    rows = []
    history_index = held_out[features.HISTORY_INDEX].astype(np.int64)
    for user, history in zip(held_out[features.USER_INDEX], history_index, strict=True):
        recent = history[history > 0]
        known = trained.indices[trained.indptr[user - 1] : trained.indptr[user]] if user else []
        rest = np.setdiff1d(np.asarray(known, np.int64) + 1, recent)
        rows.append(np.concatenate([recent, rest])[:MOST_SEEN])
    joined = np.zeros([len(rows), max(1, *map(len, rows))], np.int64)
    for place, row in enumerate(rows):
        joined[place, : len(row)] = row
    return joined


def _concatenated(batches: tf.data.Dataset, split: str) -> dict[str, npt.NDArray[np.generic]]:
    parts = list(batches.as_numpy_iterator())
    if not parts:
        raise ValueError(
            f"the split {split} has no example. Check data.split in the configuration."
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
