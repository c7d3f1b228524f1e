"""Users inside the servable: their transformed features and what they have seen."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.id_table import id_table

STORED_FEATURES = tuple(name for name in features.USER_FEATURES if name != features.HISTORY_INDEX)


class UserStore(tf.Module):
    """Looks up users; row 0 is the unknown user, who has no history.

    Seen items are kept once, newest first: the history that the user tower reads is their start.
    """

    def __init__(
        self,
        columns: Mapping[str, npt.NDArray[np.generic]],
        seen: Sequence[npt.NDArray[np.int32]],
        id_file: str,
        max_history: int,
    ):
        """Fills the store.

        Args:
            columns: transformed user features, each [U+1, ...]; row 0 is a user about whom
                nothing is known.
            seen: for each user the item indices, newest first.
            id_file: a text file with the users' ids in the same order, one a line; it becomes an
                asset of the bundle.
            max_history: how many items the user tower reads.
        """
        super().__init__(name="user_store")
        self._row_of = id_table(id_file)
        self._features = {
            name: tf.Variable(columns[name], trainable=False, name=name) for name in STORED_FEATURES
        }
        lengths = [0, 0, *(len(items) for items in seen)]
        self._splits = tf.Variable(np.cumsum(lengths), dtype=tf.int64, trainable=False)
        flat = np.concatenate([np.zeros(0, np.int32), *seen]).astype(np.int32)
        self._seen = tf.Variable(flat, trainable=False, name="seen_items")
        self._max_history = max_history

    def with_history(self, most: int) -> npt.NDArray[np.int64]:
        """Returns rows of users who have seen something, int64 [at most `most`]."""
        return np.flatnonzero(np.diff(self._splits.numpy()))[:most]

    def rows(self, user_id: tf.Tensor) -> tf.Tensor:
        """Returns the users' rows, int64 [B], 0 for an unknown one."""
        return self._row_of.lookup(user_id) + 1

    def seen(self, row: tf.Tensor) -> tf.Tensor:
        """Returns what users have seen, int32 [B, longest], newest first, 0 pads."""
        ragged = tf.RaggedTensor.from_row_splits(self._seen, self._splits, validate=False)
        return tf.gather(ragged, row).to_tensor(0)

    def inputs(self, row: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what retrieval and ranking read of rows with the given history.

        Args:
            row: int64 [B].
            history: int32 [B, any], item indices, newest first, 0 pads at the end.

        Returns:
            Features by name, each [B, ...].
        """
        inputs = {name: tf.gather(table, row) for name, table in self._features.items()}
        missing = tf.maximum(self._max_history - tf.shape(history)[1], 0)
        padded = tf.pad(history, [[0, 0], [0, missing]])[:, : self._max_history]
        padded = tf.ensure_shape(padded, [None, self._max_history])
        whole = {features.HISTORY_INDEX: padded, features.SEEN_INDEX: history}
        return inputs | {name: tf.cast(index, tf.int64) for name, index in whole.items()}
