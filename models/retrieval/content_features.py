"""What the content network is told of users and items, standard-scaled."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.item_table import ItemTable
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import Tensors
from models.validation import Columns

# An item's mean rating starts from the mean of all, counted as so many ratings: the mean of one or
# two ratings says little.
PRIOR_RATINGS = 5.0
MIN_DEVIATION = 1e-6  # of a column; below it nothing varies but the rounding


class Standardizer(tf.Module):
    """Scales columns to mean 0 and variance 1; drops those that never vary."""

    def __init__(self, rows: npt.NDArray[np.float32]):
        """Learns the statistics.

        Args:
            rows: float32 [n, F]. Where no column varies the first is kept, as zeros.

        Raises:
            ValueError: if there is no row, or a value is not finite.
        """
        super().__init__()
        if not len(rows) or not np.isfinite(rows).all():
            raise ValueError(
                "features must be finite, in at least 1 row. Received: "
                f"{len(rows)} rows, {int((~np.isfinite(rows)).sum())} values not finite. Mend the "
                "column that they come from."
            )
        deviation = rows.std(axis=0, dtype=np.float64)
        kept = np.flatnonzero(deviation > MIN_DEVIATION)
        if not len(kept):
            kept = np.arange(1)
        mean = rows.mean(axis=0, dtype=np.float64)
        scale = np.where(deviation > MIN_DEVIATION, deviation, 1.0)
        self.kept = tf.Variable(kept, trainable=False, name="kept")
        self.mean = tf.Variable(mean[kept].astype(np.float32), trainable=False, name="mean")
        self.scale = tf.Variable(scale[kept].astype(np.float32), trainable=False, name="scale")
        self.width = len(kept)

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """Scales float32 [n, F] to float32 [n, width]."""
        scaled = (tf.gather(rows, self.kept, axis=1) - self.mean) / self.scale
        return tf.ensure_shape(scaled, [None, self.width])


class ContentFeatures(tf.Module):
    """Features of users as of an interaction, and of items as of the training interactions.

    A training row does not see its own rating in its item's mean; a held-out one's is not in there.
    """

    def __init__(self, table: ItemTable, ratings: InteractionTable, rows: Columns, explicit: bool):
        """Takes the catalogue, and the statistics of training rows.

        Args:
            table: the catalogue.
            ratings: the training interactions.
            rows: transformed training interactions to scale by, each column [n, ...].
            explicit: whether labels are ratings; else users are described by the share of each
                category rather than its mean rating.
        """
        super().__init__(name="content_features")
        self._category = features.USER_CATEGORY_RATING if explicit else features.USER_CATEGORY_SHARE
        self.content = tf.Variable(table.content, trainable=False, name="content")
        counts = np.bincount(ratings.item_index, minlength=table.size + 1)
        sums = np.bincount(ratings.item_index, ratings.rating, table.size + 1)
        prior = PRIOR_RATINGS * ratings.rating.mean(dtype=np.float64)
        self.rating_count = _constant(counts + PRIOR_RATINGS, "rating_count")
        self.rating_sum = _constant(sums + prior, "rating_sum")
        columns = {name: tf.constant(column) for name, column in rows.items()}
        own = self._items_without(columns)
        self.scale_users = Standardizer(self._users(columns).numpy())
        self.scale_items = Standardizer(own.numpy())

    def users(self, inputs: Tensors) -> tf.Tensor:
        """Returns scaled features of users, float32 [B, F].

        Args:
            inputs: transformed user features, each [B, ...].
        """
        return self.scale_users(self._users(inputs))

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns scaled features of items int [n], float32 [n, G]."""
        mean = tf.gather(self.rating_sum, item_index) / tf.gather(self.rating_count, item_index)
        return self.scale_items(self._items(item_index, mean))

    def training_items(self, interactions: Tensors) -> tf.Tensor:
        """Returns scaled features of the rows' items as if a row's own rating were not there.

        Args:
            interactions: training interactions, with ITEM_INDEX and LABEL_RATING [B].

        Returns:
            float32 [B, G].
        """
        return self.scale_items(self._items_without(interactions))

    def _users(self, inputs: Tensors) -> tf.Tensor:
        return tf.concat([inputs[features.USER_STATISTICS], inputs[self._category]], axis=1)

    def _items(self, item_index: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
        return tf.concat([mean[:, tf.newaxis], tf.gather(self.content, item_index)], axis=1)

    def _items_without(self, interactions: Tensors) -> tf.Tensor:
        item_index = interactions[features.ITEM_INDEX]
        rating = interactions[features.LABEL_RATING]
        others = tf.gather(self.rating_count, item_index) - 1.0
        mean = (tf.gather(self.rating_sum, item_index) - rating) / others
        return self._items(item_index, mean)


def _constant(values: npt.NDArray[np.float64], name: str) -> tf.Variable:
    return tf.Variable(values.astype(np.float32), trainable=False, name=name)
