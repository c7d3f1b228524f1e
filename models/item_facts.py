"""What is known of each item beside its embedding: age, popularity, categories, flags."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.item_store import CatalogueItem, number_categories
from models.options import RerankingOptions


class ItemFacts(tf.Module):
    """Numbers of items by their index; index 0 is padding."""

    def __init__(self, items: Sequence[CatalogueItem]):
        """Fills the tables.

        Args:
            items: in the order of their indices, from 1.
        """
        super().__init__(name="item_facts")
        names, categories = number_categories(items)
        ages = [math.nan, *(_age(item) for item in items)]
        counts = [0.0, *(item.interactions for item in items)]
        self.category_count = len(names)
        # Variables: a large constant would be written into the graph.
        self._age_days = tf.Variable(np.array(ages, np.float32), trainable=False)
        self._log_popularity = tf.Variable(np.log1p(counts).astype(np.float32), trainable=False)
        self._categories = tf.Variable(categories, trainable=False)

    def age_days(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the ages of indices in days, float32, NaN where unknown; the shape stays."""
        return tf.gather(self._age_days, index)

    def log_popularity(self, index: tf.Tensor) -> tf.Tensor:
        """Returns ln(1 + interactions) of indices, float32, 0 for 0; the shape stays."""
        return tf.gather(self._log_popularity, index)

    def categories(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the category numbers of indices [...], int32 [..., width], 0 pads.

        Categories are numbered from 1 to `category_count`, as `ItemStore` numbers them.
        """
        return tf.gather(self._categories, index)


def recommendable(
    items: Sequence[CatalogueItem], options: RerankingOptions
) -> npt.NDArray[np.bool_]:
    """Tells which items the configuration's filters let pass.

    Args:
        items: N of them, in the order of their indices, from 1.
        options: the filters; an item of unknown age passes the limits of age.

    Returns:
        bool [N + 1], False for 0.
    """
    categories = {name.encode() for name in options.exclude_categories}
    flags = {name.encode() for name in options.exclude_flags}
    passes = [
        categories.isdisjoint(item.categories) and flags.isdisjoint(item.flags) for item in items
    ]
    age = np.array([_age(item) for item in items], np.float64)
    # NaN compares as False with any limit, and so passes.
    too_young = age < (-math.inf if options.min_age_days is None else options.min_age_days)
    too_old = age > (math.inf if options.max_age_days is None else options.max_age_days)
    return np.concatenate([[False], np.array(passes, np.bool_) & ~too_young & ~too_old])


def _age(item: CatalogueItem) -> float:
    return math.nan if item.age_days is None else item.age_days
