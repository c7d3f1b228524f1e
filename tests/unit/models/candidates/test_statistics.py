from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models import features
from models.candidates.co_visitation import NeighbourTable
from models.candidates.options import CandidateOptions
from models.candidates.statistics import (
    PRIOR_RATINGS,
    CatalogueStatistics,
    catalogue_statistics,
)
from models.item_table import ItemTable

OPTIONS = CandidateOptions(of_category=2, of_attribute=2)
CATEGORIES = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0]]  # of items 0 to 4
# Item, rating, value of the first attribute and of the second; 0 is unknown.
ROWS = [
    (1, 5.0, 1, 1),
    (1, 1.0, 2, 0),
    (2, 4.0, 1, 1),
    (3, 2.0, 0, 1),
    (3, 4.0, 1, 0),
    (3, 3.0, 2, 0),
    (0, 5.0, 1, 1),
]


class Data:
    """Training interactions in two batches."""

    def __init__(self, rows: Sequence[tuple[int, float, int, int]] = ROWS) -> None:
        item, rating, first, second = np.array(rows, np.float32).reshape(-1, 4).T
        self._columns = {
            features.ITEM_INDEX: item.astype(np.int64),
            features.LABEL_RATING: rating,
            features.USER_ATTRIBUTE_INDEX: np.stack([first, second], axis=1).astype(np.int64),
            # Two had item 1 and then item 3; nobody else had more than one.
            features.USER_INDEX: np.array([1, 2, 3, 1, 2, 4, 5])[: len(item)],
            features.INTERACTION_TIME: np.arange(len(item)),
        }

    def items(self) -> ItemTable:
        multi_hot = np.array(CATEGORIES, np.float32)
        return ItemTable(multi_hot, multi_hot, np.zeros(5, np.float32))

    def attribute_values(self) -> list[int]:
        return [3, 1]

    def training_columns(self, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        return {name: self._columns[name] for name in names}

    def training_batches(self, names: Sequence[str]) -> Iterator[dict[str, npt.NDArray[Any]]]:
        for rows in (slice(0, 4), slice(4, None)):
            yield {name: self._columns[name][rows] for name in names}


@pytest.fixture(scope="module")
def statistics() -> CatalogueStatistics:
    return catalogue_statistics(Data(), OPTIONS)


def test_interactions_and_ratings_are_of_known_items_when_counted(
    statistics: CatalogueStatistics,
) -> None:
    assert statistics.counts.tolist() == [0, 2, 1, 3, 0]
    # All: (5 + 1 + 4 + 2 + 4 + 3) / 6; each item's sum has five of that mean added.
    mean, prior = 19 / 6, PRIOR_RATINGS
    sums = [(0.0, 0), (6.0, 2), (4.0, 1), (9.0, 3), (0.0, 0)]
    expected = [(total + prior * mean) / (number + prior) for total, number in sums]
    np.testing.assert_allclose(statistics.mean_rating, expected, rtol=1e-6)
    assert statistics.counts.dtype == statistics.mean_rating.dtype == np.float32


def test_tops_are_by_popularity_when_items_share_a_category(
    statistics: CatalogueStatistics,
) -> None:
    # Category 0 holds 1, 2 and 3 with 2, 1 and 3 interactions; nobody had item 4; 2 has none.
    assert statistics.category_top.tolist() == [[3, 1], [2, 0], [0, 0]]


def test_tops_are_of_users_alike_when_there_are_attributes(
    statistics: CatalogueStatistics,
) -> None:
    first, second = statistics.attribute_top
    # Users of value 1 had 1, 2 and 3 once each, those of value 2 had 1 and 3. Nobody has value 3.
    # Of 6 places, equals come in the fixed order 0 3 2 4 1 5, which is not that of their numbers.
    assert first.tolist() == [[0, 0], [3, 2], [3, 1], [0, 0]]
    assert second.tolist() == [[0, 0], [3, 2]]


def test_pairs_are_those_of_the_histories_when_counted(statistics: CatalogueStatistics) -> None:
    following, nearby = statistics.pairs.following, statistics.pairs.nearby
    assert following.index.tolist() == [[0], [3], [0], [0], [0]]
    # Two pairs over the root of (2 + 5) (3 + 5).
    assert following.weight[1].tolist() == [pytest.approx(2 / np.sqrt(56))]
    assert nearby.index.tolist() == [[0], [3], [0], [1], [0]]


def test_ratings_are_one_when_feedback_is_implicit() -> None:
    rows = [(item, 1.0, 0, 0) for item in (1, 1, 3)]
    found = catalogue_statistics(Data(rows), OPTIONS)
    np.testing.assert_allclose(found.mean_rating, 1.0)
    assert all(not top.any() for top in found.attribute_top)


def test_statistics_are_finite_when_nobody_had_anything() -> None:
    found = catalogue_statistics(Data([]), OPTIONS)
    assert found.counts.tolist() == [0.0] * 5
    assert found.mean_rating.tolist() == [0.0] * 5
    assert not found.category_top.any()


def test_tables_have_a_column_when_a_generator_is_switched_off() -> None:
    off = CandidateOptions(of_category=0, of_attribute=0)
    found = catalogue_statistics(Data(), off)
    assert found.category_top.shape == (3, 1)
    assert [top.shape for top in found.attribute_top] == [(4, 1), (2, 1)]


def test_items_change_places_when_shuffled(statistics: CatalogueStatistics) -> None:
    shuffled = statistics.shuffled(2)
    again = statistics.shuffled(2)
    assert shuffled.counts.tolist() == again.counts.tolist()
    # The same numbers, of other items; padding stays.
    assert sorted(shuffled.counts) == sorted(statistics.counts)
    assert shuffled.counts[0] == 0
    assert shuffled.counts.tolist() != statistics.counts.tolist()
    pairs = [
        (shuffled.category_top, statistics.category_top),
        *zip(shuffled.attribute_top, statistics.attribute_top, strict=True),
    ]
    for other, own in pairs:
        assert ((other > 0) == (own > 0)).all()
        assert other.dtype == np.int32
    table: NeighbourTable = shuffled.pairs.nearby
    assert table.weight.tolist() == statistics.pairs.nearby.weight.tolist()
    # One permutation names the items of all lists.
    other = dict(zip([3, 1], table.index[[1, 3], 0].tolist(), strict=True))
    assert shuffled.category_top[0].tolist() == [other[3], other[1]]
