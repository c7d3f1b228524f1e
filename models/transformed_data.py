"""Reads transformed examples: the items as a table, the interactions as a stream of batches."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from scipy import sparse

from models import features
from models.errors import UnsuitableDataError
from models.item_table import ItemTable, item_table
from models.retrieval.interaction_table import InteractionTable

SHUFFLE_BUFFER = 200_000  # serialized examples, about 1 KB each
READ_BATCH = 4096
COUNTED_BATCH = 65_536  # interactions read at once to be counted
MOST_SEEN = 4096  # items of a held-out row: 33 KB, of which a few thousand are kept

Columns = dict[str, npt.NDArray[np.generic]]

INTERACTION_FEATURES = (*features.USER_FEATURES, features.ITEM_INDEX, features.LABEL_RATING)
ITEM_FEATURES = (
    features.ITEM_INDEX,
    features.ITEM_CATEGORY_MULTI_HOT,
    features.ITEM_NUMERIC,
    features.ITEM_LOG_FREQUENCY,
)


class TransformedData:
    """The transformed examples of one Transform run, as they are learned from at one of two times.

    What is served learns from all training interactions (`train` and `late`) and is validated on
    `eval`. What the ranker learns to order comes from earlier models: those learn from `train`
    alone, and `late` is held out.
    """

    def __init__(self, patterns: Sequence[str], transform_graph: str, earlier: bool = False):
        """Opens the data.

        Args:
            patterns: file patterns of gzip TFRecords; the folder of each is named after its split.
            transform_graph: path of the transform graph.
            earlier: whether `late` is held out.
        """
        self._patterns = patterns
        self._earlier = earlier
        self._training: tuple[str, ...] = (features.TRAIN_SPLIT,)
        if not earlier:
            self._training += (features.LATE_SPLIT,)
        self._held_out = (features.LATE_SPLIT,) if earlier else (features.EVAL_SPLIT,)
        self._in_order: dict[tuple[str, ...], tf.data.Dataset] = {}  # interactions, sorted once
        self._items: ItemTable | None = None
        self._table: InteractionTable | None = None
        self.transform_output = tft.TFTransformOutput(transform_graph)
        self._spec = self.transform_output.transformed_feature_spec()

    def items(self) -> ItemTable:
        """Returns the catalogue, read once."""
        if self._items is None:
            table = item_table(self._read((features.ITEMS_SPLIT,), ITEM_FEATURES))
            if self._earlier:
                # Counted with the late interactions, popularity would tell what is held out.
                counts = np.concatenate([[0], self._count_items(table.size)]) + 1.0
                log_frequency = np.log(counts / counts[1:].sum()).astype(np.float32)
                table = dataclasses.replace(table, log_frequency=log_frequency)
            self._items = table
        return self._items

    def _count_items(self, items: int) -> npt.NDArray[np.int64]:
        index = self.training_columns((features.ITEM_INDEX,))[features.ITEM_INDEX]
        return np.bincount(index, minlength=items + 1)[1:]

    def users(self) -> int:
        """Returns the number of users with training interactions."""
        return self.transform_output.vocabulary_size_by_name(features.USER_VOCABULARY)

    def attribute_values(self) -> list[int]:
        """Returns how many values each user attribute has, in the order of USER_ATTRIBUTE_INDEX."""
        prefix = features.USER_ATTRIBUTE_PREFIX
        return [
            self.transform_output.vocabulary_size_by_name(name)
            for name in sorted(self.transform_output.raw_feature_spec())
            if name.startswith(prefix)
        ]

    def mean_rating(self) -> float:
        """Returns the mean of the training interactions' ratings."""
        return float(self.table().rating.mean())

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
            columns = self.training_columns(names)
            user, item, rating = (columns[name] for name in names)
            order = np.lexsort((item, user))
            self._table = InteractionTable(
                user[order], item[order], rating[order], self.users(), self.items().size
            )
        return self._table

    def interactions(self, batch_size: int, seed: int) -> tf.data.Dataset:
        """Streams shuffled batches of training interactions, the last incomplete one left out.

        Args:
            batch_size: examples in a batch; less data are one batch.
            seed: of the order, which differs from epoch to epoch.

        Returns:
            Batches: a dict of INTERACTION_FEATURES and SEEN_INDEX.
        """
        records = self._ordered(self._training)
        available = records.take(batch_size).reduce(np.int64(0), lambda count, _: count + 1)
        return (
            records.shuffle(SHUFFLE_BUFFER, seed=seed, reshuffle_each_iteration=True)
            .batch(available, drop_remainder=True, num_parallel_calls=tf.data.AUTOTUNE)
            .map(self._parser(INTERACTION_FEATURES), num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )

    def sample(self, most: int, seed: int) -> Columns:
        """Reads a random part of the training interactions, at most `most`, in memory."""
        return self._sample(self._training, most, seed)

    def training_columns(self, names: Sequence[str]) -> Columns:
        """Reads the named columns of all training interactions into memory, in any order.

        Raises:
            UnsuitableDataError: if there are none.
        """
        return self._read(self._training, names)

    def training_batches(self, names: Sequence[str]) -> Iterator[Columns]:
        """Yields the named columns of all training interactions, a part of the rows at a time."""
        records = self._records(self._training).batch(COUNTED_BATCH)
        parsed = records.map(self._parser(names), num_parallel_calls=tf.data.AUTOTUNE)
        yield from parsed.prefetch(1).as_numpy_iterator()

    def ranking_queries(self, most: int, seed: int) -> Columns:
        """Reads users as of before `late`, each with what they then chose.

        Args:
            most: users, at most.
            seed: of the choice.

        Returns:
            USER_FEATURES, SEEN_INDEX and the columns CHOSEN_*, each [n, ...], 0 pads.
        """
        records = self._records((features.RANKING_SPLIT,))
        lists = (
            features.SEEN_INDEX,
            features.CHOSEN_INDEX,
            features.CHOSEN_LABEL_RATING,
            features.CHOSEN_LABEL_POSITION,
        )
        parse = self._parser((features.USER_INDEX,))
        serialized = np.array(list(records.as_numpy_iterator()), dtype=object)
        if not len(serialized):
            raise UnsuitableDataError(
                "at least one user with interactions in both train and late was expected, for the "
                "ranker to learn from. Received: none. Deliver more interactions a user, or raise "
                "data.split.late_fraction."
            )
        # By user: Beam writes them in another order each time.
        order = np.argsort(parse(serialized)[features.USER_INDEX].numpy(), kind="stable")
        chosen = np.random.default_rng(seed).permutation(len(order))[:most]
        spec = {name: self._spec[name] for name in (*features.USER_FEATURES, *lists)}
        parsed = tf.io.parse_example(serialized[order[np.sort(chosen)]], spec)
        return {
            name: (tf.sparse.to_dense(value) if name in lists else value).numpy()
            for name, value in parsed.items()
        }

    def held_out(self, most: int, seed: int) -> Columns:
        """Reads a random part of the held-out interactions, to validate or calibrate on.

        Args:
            most: interactions, at most.
            seed: of the choice.

        Returns:
            Columns as of `sample`; but SEEN_INDEX holds all that the user has seen, as where the
            model serves: the example's history, then all else they were trained with.
        """
        columns = self._sample(self._held_out, most, seed)
        columns[features.SEEN_INDEX] = with_training(columns, self.table().matrix())
        return columns

    def _sample(self, splits: tuple[str, ...], most: int, seed: int) -> Columns:
        records = self._ordered(splits)
        records = records.shuffle(SHUFFLE_BUFFER, seed=seed).take(most)
        return _concatenated(
            records.batch(READ_BATCH).map(self._parser(INTERACTION_FEATURES)), splits
        )

    def _read(self, splits: tuple[str, ...], names: Sequence[str]) -> Columns:
        batches = self._records(splits).batch(READ_BATCH)
        parsed = batches.map(self._parser(names), num_parallel_calls=tf.data.AUTOTUNE)
        return _concatenated(parsed, splits)

    def _records(self, splits: tuple[str, ...]) -> tf.data.Dataset:
        patterns: list[str] = []
        for split in splits:
            folder = f"Split-{split}"
            of_split = [p for p in self._patterns if PurePath(p).parent.name == folder]
            if not of_split:
                raise ValueError(
                    f"a folder {folder} was expected among {list(self._patterns)}. "
                    "Name the split in the Trainer's train_args or eval_args."
                )
            patterns += of_split
        files = tf.data.Dataset.list_files(patterns, shuffle=False)
        return tf.data.TFRecordDataset(files, compression_type="GZIP")

    def _ordered(self, splits: tuple[str, ...]) -> tf.data.Dataset:
        if splits not in self._in_order:
            self._in_order[splits] = self._in_fixed_order(self._records(splits))
        return self._in_order[splits]

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


def with_training(held_out: Columns, trained: sparse.csr_matrix) -> npt.NDArray[np.int64]:
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


def _concatenated(batches: tf.data.Dataset, splits: tuple[str, ...]) -> Columns:
    parts = list(batches.as_numpy_iterator())
    if not parts:
        raise UnsuitableDataError(
            f"no example in {' and '.join(splits)}; at least one was expected. Check data.split in "
            "the configuration: users may have too few interactions for its fractions."
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_item_table(split_folder: str, transform_graph: str) -> ItemTable:
    """Returns the catalogue of the transformed items split in a folder."""
    return TransformedData([f"{split_folder}/*"], transform_graph).items()
