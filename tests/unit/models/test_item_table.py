import numpy as np
import pytest

from models import features
from models.item_table import item_table


def columns(index: list[int]) -> dict[str, np.ndarray]:
    number = len(index)
    return {
        features.ITEM_INDEX: np.array(index),
        features.ITEM_CATEGORY_MULTI_HOT: np.array([[i, 0] for i in index], np.float32),
        features.ITEM_NUMERIC: np.array([[10 * i] for i in index], np.float32),
        features.ITEM_LOG_FREQUENCY: -np.arange(1, number + 1, dtype=np.float32),
    }


def test_rows_follow_the_index_when_items_are_shuffled() -> None:
    table = item_table(columns([2, 3, 1]))
    assert table.size == 3
    # Row 0 is the unknown item; category columns come before numeric ones.
    assert table.content.tolist() == [[0, 0, 0], [1, 0, 10], [2, 0, 20], [3, 0, 30]]
    assert table.category_multi_hot.tolist() == [[0, 0], [1, 0], [2, 0], [3, 0]]
    # Index 2 came first with -1, 3 with -2, 1 with -3; the unknown item has the least.
    assert table.log_frequency.tolist() == [-3, -3, -1, -2]


@pytest.mark.parametrize(
    ("index", "received"),
    [
        ([1, 1, 2], "2 distinct between 1 and 2"),
        ([0, 1, 2], "3 distinct between 0 and 2"),
        ([1, 2, 4], "3 distinct between 1 and 4"),
    ],
)
def test_items_are_refused_when_indices_are_not_one_to_n(index: list[int], received: str) -> None:
    message = f"indices must be 1 to 3, each once. Received: {received}"
    with pytest.raises(ValueError, match=message):
        item_table(columns(index))
