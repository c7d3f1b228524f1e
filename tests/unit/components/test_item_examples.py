import numpy as np
import pytest
import tensorflow as tf

from components import item_examples
from components.item_examples import NEVER, ItemStatistics, PartStatistics

DAY_S = 86_400


def test_interactions_are_counted_and_the_first_found_when_items_repeat():
    part = PartStatistics.of(np.array([4, 2, 4, 4]), np.array([7, 9, 5, 6]))
    assert (part.items.tolist(), part.counts.tolist(), part.first.tolist()) == (
        [2, 4],
        [1, 3],
        [9, 5],
    )


def test_nothing_is_counted_when_there_are_no_interactions():
    part = PartStatistics.of(np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert (len(part.items), len(part.counts), len(part.first)) == (0, 0, 0)


def test_counts_add_up_and_the_earliest_stays_when_parts_are_added():
    total = ItemStatistics.empty(3)
    total.add(PartStatistics(np.array([0, 2]), np.array([1, 2]), np.array([8, 3])))
    total.add(PartStatistics(np.array([2]), np.array([5]), np.array([4])))
    assert total.counts.tolist() == [1, 0, 7]
    assert total.first.tolist() == [8, NEVER, 3]


@pytest.mark.parametrize(
    ("released", "first", "expected"),
    [
        # Half a day before the newest, whatever came before.
        ([9 * DAY_S + DAY_S // 2], 2 * DAY_S, [0.5]),
        ([], 2 * DAY_S, [8.0]),
        ([11 * DAY_S], 2 * DAY_S, [0.0]),
        # Before 1970.
        ([-DAY_S], NEVER, [11.0]),
        ([], NEVER, []),
    ],
)
def test_the_age_is_from_the_release_or_else_the_first_interaction(released, first, expected):
    item = tf.train.Example()
    if released:
        item.features.feature["item_released"].int64_list.value.extend(released)
    statistics = ItemStatistics(np.array([3]), np.array([first]))
    (written,) = item_examples.with_statistics([item], statistics, 10 * DAY_S)
    found = tf.train.Example.FromString(written).features.feature
    assert list(found["item_interaction_count"].float_list.value) == [3.0]
    assert list(found["item_age_days"].float_list.value) == expected
    assert "item_released" not in found
