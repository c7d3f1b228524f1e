"""The catalogue as tensors: row i holds the transformed features of the item with index i."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import features

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemTable:
    """Transformed features of the whole catalogue; row 0 is the unknown item, all zeros.

    Attributes:
        content: float32 [N+1, C+n], category multi-hot and numeric features.
        category_multi_hot: float32 [N+1, C].
        log_frequency: float32 [N+1], natural log of the item's share of interactions.
    """

    content: FloatArray
    category_multi_hot: FloatArray
    log_frequency: FloatArray

    @property
    def size(self) -> int:
        """Number of items, the unknown one not counted."""
        return len(self.log_frequency) - 1


def item_table(columns: dict[str, npt.NDArray[np.generic]]) -> ItemTable:
    """Orders the transformed items split by item index.

    Args:
        columns: transformed features of the items split, each [N, ...].

    Returns:
        The table.

    Raises:
        ValueError: if the indices are not exactly 1 to N.
    """
    index = columns[features.ITEM_INDEX]
    order = np.argsort(index)
    if not np.array_equal(index[order], np.arange(1, len(index) + 1)):
        raise ValueError(
            f"the items' indices must be 1 to {len(index)}, each once. Received: "
            f"{len(np.unique(index))} distinct between {index.min()} and {index.max()}. "
            "The item vocabulary and the catalogue differ: rerun Transform."
        )

    def rows(name: str) -> FloatArray:
        values = columns[name][order].astype(np.float32)
        return np.concatenate([np.zeros_like(values[:1]), values])

    multi_hot = rows(features.ITEM_CATEGORY_MULTI_HOT)
    log_frequency = rows(features.ITEM_LOG_FREQUENCY)
    # The unknown item is never sampled; a finite value keeps its row harmless all the same.
    log_frequency[0] = log_frequency[1:].min()
    return ItemTable(
        content=np.concatenate([multi_hot, rows(features.ITEM_NUMERIC)], axis=1),
        category_multi_hot=multi_hot,
        log_frequency=log_frequency,
    )
