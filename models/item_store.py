"""The catalogue inside the servable: ids, titles and categories by item index."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.id_table import id_table


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """One item of the catalogue, as text.

    Attributes:
        item_id: never empty.
        title: the id where the catalogue has no titles.
        categories: in the catalogue's order.
        interactions: with it in the training data.
        age_days: from its release to the newest interaction, None if unknown.
        flags: marks of the catalogue that filters may name.
    """

    item_id: bytes
    title: bytes
    categories: tuple[bytes, ...]
    interactions: float
    age_days: float | None = None
    flags: tuple[bytes, ...] = ()


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
        names, categories = number_categories(items)
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


def number_categories(
    items: Sequence[CatalogueItem],
) -> tuple[list[bytes], npt.NDArray[np.int32]]:
    """Numbers the categories of a catalogue.

    Args:
        items: N of them, in the order of their indices, from 1.

    Returns:
        The names of categories 1 to C, and int32 [N + 1, at least 1], the numbers of each item's
        categories in its own order, each once, 0 pads; row 0, of the unknown item, has none.
    """
    own = [tuple(dict.fromkeys(item.categories)) for item in items]
    names = sorted({category for row in own for category in row})
    number = {category: 1 + position for position, category in enumerate(names)}
    categories = np.zeros([len(items) + 1, max([len(row) for row in own] + [1])], np.int32)
    for index, row in enumerate(own, start=1):
        categories[index, : len(row)] = [number[category] for category in row]
    return names, categories


def _table(values: Sequence[bytes], name: str) -> tf.Variable:
    # A variable, not a constant: a large constant would be written into the graph.
    return tf.Variable(np.array(values, dtype=object), dtype=tf.string, trainable=False, name=name)
