"""What interactions say of the items: joined to the catalogue's Examples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.catalogue_rows import ITEM_RELEASED
from models import features

NEVER = np.iinfo(np.int64).max
_DAY_S = 86_400


@dataclass
class ItemStatistics:
    """Training interactions of the catalogue's n items.

    `counts` int64 [n]; `first` int64 [n] is when the first was, in seconds since 1970 UTC, NEVER
    for an item without any.
    """

    counts: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def empty(cls, items: int) -> "ItemStatistics":
        """Returns those of `items` items without interactions."""
        return cls(np.zeros(items, dtype=np.int64), np.full(items, NEVER, dtype=np.int64))

    def add(self, part: "PartStatistics") -> None:
        """Adds what was counted elsewhere."""
        self.counts[part.items] += part.counts
        self.first[part.items] = np.minimum(self.first[part.items], part.first)


@dataclass(frozen=True)
class PartStatistics:
    """Interactions of the items [m] of a part of the data, each item once, as `ItemStatistics`."""

    items: NDArray[Any]
    counts: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, items: NDArray[Any], timestamps: NDArray[np.int64]) -> "PartStatistics":
        """Counts interactions.

        Args:
            items: int [n], positions in the catalogue.
            timestamps: int64 [n], seconds since 1970 UTC.
        """
        order = np.lexsort((timestamps, items))
        found, first, counts = np.unique(items[order], return_index=True, return_counts=True)
        return cls(found, counts, timestamps[order][first])


def with_statistics(
    items: Iterable[tf.train.Example], statistics: ItemStatistics, newest: int
) -> Iterator[bytes]:
    """Adds each item's training interactions and its age to its Example.

    Args:
        items: the catalogue's Examples.
        statistics: of the items in the same order.
        newest: time of the newest interaction, in seconds since 1970 UTC. The age is counted from
            the item's release, or from its first interaction where nothing says when that was.
    """
    for item, count, first in zip(items, statistics.counts, statistics.first, strict=True):
        feature = item.features.feature
        feature[features.ITEM_INTERACTION_COUNT].float_list.value.append(float(count))
        since = None if first == NEVER else int(first)
        if ITEM_RELEASED in feature:
            since = feature[ITEM_RELEASED].int64_list.value[0]
            del feature[ITEM_RELEASED]
        if since is not None:
            age = max(newest - since, 0) / _DAY_S
            feature[features.ITEM_AGE_DAYS].float_list.value.append(age)
        yield item.SerializeToString(deterministic=True)
