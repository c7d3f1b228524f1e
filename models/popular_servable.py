"""A SavedModel that recommends what is most popular: the first baseline."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import contract, features
from models.popularity import PopularItems


def save_popular_servable(
    path: str,
    item_ids: Sequence[bytes],
    counts: npt.ArrayLike,
    mean_rating: float = 0.0,
) -> None:
    """Writes a SavedModel with the signature evaluate, in core operations only.

    Args:
        path: folder to write into.
        item_ids: n ids, the whole catalogue, without repeats.
        counts: [n], interactions of each item.
        mean_rating: predicted for every item, in rating units; 0 for implicit feedback.

    Raises:
        ValueError: if ids repeat, or there is not one count for each id.
    """
    servable = _PopularServable(item_ids, counts, mean_rating)
    tf.saved_model.save(
        servable,
        path,
        signatures={contract.EVALUATE: servable.evaluate.get_concrete_function()},
    )


class _PopularServable(tf.Module):
    def __init__(self, item_ids: Sequence[bytes], counts: npt.ArrayLike, mean_rating: float):
        super().__init__()
        size = len(item_ids)
        if len(set(item_ids)) != size or np.shape(counts) != (size,):
            raise ValueError(
                "item_ids must be distinct, with one count each. Received: "
                f"{size} ids, {len(set(item_ids))} of them distinct, "
                f"and counts of shape {np.shape(counts)}."
            )
        self._size = size
        self._mean_rating = mean_rating
        self._popular = PopularItems(counts)
        # Index 0 stands for no item, whose id is "".
        padded_counts = np.concatenate([[0.0], np.asarray(counts, np.float32)])
        self._interactions = tf.Variable(padded_counts, trainable=False, dtype=tf.float32)
        self._item_id = tf.Variable([b"", *item_ids], trainable=False, dtype=tf.string)
        self._item_index = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(item_ids)), tf.range(1, size + 1, dtype=tf.int32)
            ),
            default_value=0,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=contract.EXAMPLES)])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(
            examples,
            {
                name: tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
                for name in (features.SEEN_ITEM_ID, features.CHOSEN_ITEM_ID)
            },
        )
        seen = self._item_index.lookup(parsed[features.SEEN_ITEM_ID].to_tensor(b""))
        index, _ = self._popular.top(seen, tf.constant(contract.EVALUATED_LIST_LENGTH))
        item_id = tf.gather(self._item_id, index)
        chosen = parsed[features.CHOSEN_ITEM_ID].to_tensor(b"")
        counted = tf.gather(self._interactions, self._item_index.lookup(chosen))
        rows = tf.shape(examples)
        return {
            contract.RECOMMENDED_ITEM_ID: item_id,
            contract.POPULAR_ITEM_ID: item_id,
            # What is popular does not depend on what is known of the user.
            contract.HISTORY_ONLY_ITEM_ID: item_id,
            contract.CATEGORIES_ONLY_ITEM_ID: item_id,
            contract.RECOMMENDED_INTERACTIONS: tf.gather(self._interactions, index),
            contract.CHOSEN_INTERACTIONS: tf.where(chosen == b"", -1.0, counted),
            contract.CHOSEN_PREDICTED_RATING: tf.where(chosen == b"", 0.0, self._mean_rating),
            # There are no embeddings to tell items apart by.
            contract.INTRA_LIST_DISTANCE: tf.zeros(rows),
            contract.CATALOGUE_SIZE: tf.fill(rows, tf.constant(self._size, tf.int64)),
            contract.TOTAL_INTERACTIONS: tf.fill(rows, tf.reduce_sum(self._interactions)),
        }
