"""The catalogue inside the servable: ids, titles and categories by item index."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from models.id_table import id_table


@dataclass(frozen=True)
class CatalogueItem:
    """One item of the catalogue, as text."""

    item_id: bytes
    title: bytes
    categories: tuple[bytes, ...]
    interactions: float


class ItemStore(tf.Module):
    """Looks up items in both directions; index 0 is the unknown item, whose id is empty."""

    def __init__(self, items: Sequence[CatalogueItem], id_file: str):
        """Fills the store.

        Args:
            items: in the order of their indices, from 1.
            id_file: a text file with the same ids in the same order, one a line; it becomes an
                asset of the bundle.
        """
        super().__init__(name="item_store")
        self._index_of = id_table(id_file)
        names = sorted({category for item in items for category in item.categories})
        number = {category: 1 + position for position, category in enumerate(names)}
        width = max([len(item.categories) for item in items] + [1])
        categories = np.zeros([len(items) + 1, width], np.int32)
        for index, item in enumerate(items, start=1):
            categories[index, : len(item.categories)] = [number[c] for c in item.categories]
        self._ids = _table([b"", *(item.item_id for item in items)], "item_ids")
        self._titles = _table([b"", *(item.title for item in items)], "item_titles")
        self._category_names = _table([b"", *names], "category_names")
        self._categories = tf.Variable(categories, trainable=False, name="item_categories")

    def index(self, item_id: tf.Tensor) -> tf.Tensor:
        """Returns the indices of ids, int32, 0 for an unknown one; the shape stays."""
        return tf.cast(self._index_of.lookup(item_id) + 1, tf.int32)

    def ids(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the ids of indices, string, "" for 0; the shape stays."""
        return tf.gather(self._ids, index)

    def titles(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the titles of indices, string, "" for 0; the shape stays."""
        return tf.gather(self._titles, index)

    def category_names(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the categories of indices [B] as string [B, n], "" pads."""
        return tf.gather(self._category_names, tf.gather(self._categories, index))

    def in_category(self, index: tf.Tensor, category: tf.Tensor) -> tf.Tensor:
        """Tells which items have one of their row's categories.

        Args:
            index: int32 [B, N].
            category: string [B, C], "" pads; an unknown category matches nothing.

        Returns:
            bool [B, N].
        """
        # Few names on both sides, so a plain comparison beats a table.
        same = category[:, :, tf.newaxis] == self._category_names[tf.newaxis, tf.newaxis, 1:]
        wanted = tf.reduce_any(same, axis=1)
        wanted = tf.pad(wanted, [[0, 0], [1, 0]])
        own = tf.gather(self._categories, index)
        return tf.reduce_any(tf.gather(wanted, own, axis=1, batch_dims=1), axis=2)


def _table(values: Sequence[bytes], name: str) -> tf.Variable:
    # A variable, not a constant: a large constant would be written into the graph.
    return tf.Variable(np.array(values, dtype=object), dtype=tf.string, trainable=False, name=name)
