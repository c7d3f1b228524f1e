"""What the generators that need no embeddings know: counts, tops and pairs, from interactions."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models import features
from models.candidates.co_visitation import (
    CoVisitation,
    Interactions,
    NeighbourTable,
    co_visitation,
)
from models.candidates.options import CandidateOptions
from models.item_table import FloatArray, ItemTable
from models.ties import tie_order
from models.transformed_data import TransformedData

PRIOR_RATINGS = 5.0  # of the mean rating, that an item's own mean is drawn towards
READ_FEATURES = (
    features.ITEM_INDEX,
    features.USER_ATTRIBUTE_INDEX,
    features.LABEL_RATING,
)
PAIR_FEATURES = (features.USER_INDEX, features.ITEM_INDEX, features.INTERACTION_TIME)

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class CatalogueStatistics:
    """Of N items, by their index; index 0 is padding.

    Attributes:
        counts: float32 [N+1], interactions.
        mean_rating: float32 [N+1], drawn towards the mean of all; 1 for implicit feedback.
        category_top: int32 [C, T], the most popular items of each category slot, 0 pads.
        attribute_top: for each attribute int32 [V+1, T], the most popular items among users with
            each of its values; row 0, of unknown values, is 0.
        pairs: what is had close together.
    """

    counts: FloatArray
    mean_rating: FloatArray
    category_top: Ints
    attribute_top: tuple[Ints, ...]
    pairs: CoVisitation

    def shuffled(self, seed: int) -> "CatalogueStatistics":
        """Returns the same of other items: what a model that the gate must refuse believes."""
        items = len(self.counts) - 1
        other = np.random.default_rng(seed).permutation(items) + 1
        other = np.concatenate([[0], other]).astype(np.int32)

        def renamed(table: NeighbourTable) -> NeighbourTable:
            return replace(table, index=other[table.index])

        return CatalogueStatistics(
            counts=self.counts[other],
            mean_rating=self.mean_rating[other],
            category_top=other[self.category_top],
            attribute_top=tuple(other[top] for top in self.attribute_top),
            pairs=CoVisitation(renamed(self.pairs.following), renamed(self.pairs.nearby)),
        )


def catalogue_statistics(data: TransformedData, options: CandidateOptions) -> CatalogueStatistics:
    """Reads the training interactions once for the pairs and once for everything else.

    Args:
        data: the transformed examples.
        options: of the generators.

    Returns:
        The statistics.
    """
    table = data.items()
    size = table.size + 1
    counts, ratings = np.zeros(size), np.zeros(size)
    values = data.attribute_values()
    by_value = [sparse.csr_matrix((number + 1, size)) for number in values]
    for batch in data.training_batches(READ_FEATURES):
        item = batch[features.ITEM_INDEX]
        counts += np.bincount(item, minlength=size)
        ratings += np.bincount(item, weights=batch[features.LABEL_RATING], minlength=size)
        for column, number in enumerate(values):
            value = batch[features.USER_ATTRIBUTE_INDEX][:, column]
            by_value[column] += _counted(value, item, (number + 1, size))
    counts[0] = ratings[0] = 0.0
    mean = ratings.sum() / max(counts.sum(), 1.0)
    columns = data.training_columns(PAIR_FEATURES)
    user, item, time = (columns[name].astype(np.int64, copy=False) for name in PAIR_FEATURES)
    pairs = co_visitation(
        Interactions(user=user, item=item, time=time), table.size, options.co_visitation
    )
    return CatalogueStatistics(
        counts=counts.astype(np.float32),
        mean_rating=((ratings + PRIOR_RATINGS * mean) / (counts + PRIOR_RATINGS)).astype(
            np.float32
        ),
        category_top=category_tops(table, counts, options.of_category),
        attribute_top=tuple(_tops(sums, options.of_attribute) for sums in by_value),
        pairs=pairs,
    )


def _counted(
    row: npt.NDArray[Any], item: npt.NDArray[Any], shape: tuple[int, int]
) -> sparse.csr_matrix:
    known = (row > 0) & (item > 0)
    return sparse.csr_matrix((np.ones(known.sum()), (row[known], item[known])), shape=shape)


def category_tops(table: ItemTable, counts: npt.NDArray[Any], number: int) -> Ints:
    """Returns the most popular items of each category slot.

    Args:
        table: the catalogue.
        counts: float [N+1], interactions of each item.
        number: T, of items.

    Returns:
        int32 [C, T], 0 pads; without interactions an item is not popular.
    """
    item, category = np.nonzero(table.category_multi_hot)
    shape = (table.category_multi_hot.shape[1], table.size + 1)
    of_category = sparse.csr_matrix((counts[item], (category, item)), shape=shape)
    return _tops(of_category, number)


def _tops(counts: sparse.csr_matrix, number: int) -> Ints:
    """Returns the items with the greatest counts of each row [R, N+1]: int32 [R, T], 0 pads."""
    tops = np.zeros([counts.shape[0], max(1, number)], np.int32)
    ties = tie_order(counts.shape[1])
    for row, top in enumerate(tops):
        places = slice(counts.indptr[row], counts.indptr[row + 1])
        count, item = counts.data[places], counts.indices[places]
        best = np.lexsort((ties[item], -count))[: len(top)]
        best = best[count[best] > 0.0]
        top[: len(best)] = item[best]
    return tops
