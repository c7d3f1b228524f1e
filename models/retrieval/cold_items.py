"""Embeddings of items that nobody has chosen yet, out of their categories."""

import numpy as np
import numpy.typing as npt

from models.item_table import FloatArray


def fill_cold_items(
    vectors: FloatArray, item_counts: npt.NDArray[np.int64], category_multi_hot: FloatArray
) -> FloatArray:
    """Gives each item without interactions the mean of its categories' items.

    An item of several categories gets the mean of their means; one without any, or whose categories
    have no item with interactions, the mean of all items that have.

    Args:
        vectors: float32 [N+1, D], by item index; row 0 stays as it is.
        item_counts: int64 [N], interactions of items 1 to N.
        category_multi_hot: float32 [N+1, C].

    Returns:
        float32 [N+1, D].
    """
    warm = np.concatenate([[False], item_counts > 0])
    cold = np.concatenate([[False], item_counts == 0])
    members = category_multi_hot[warm]
    sizes = members.sum(axis=0)
    category_mean = members.T @ vectors[warm] / np.maximum(sizes, 1.0)[:, np.newaxis]
    own = category_multi_hot[cold] * (sizes > 0.0)
    number = own.sum(axis=1, keepdims=True)
    filled = vectors.copy()
    filled[cold] = np.where(
        number > 0.0, own @ category_mean / np.maximum(number, 1.0), vectors[warm].mean(axis=0)
    )
    return filled
