"""What the ranker learns its order from: candidates of earlier models, and what was then chosen.

The negatives are what the generators really returned and nobody chose. The models that returned
them know nothing of the choices, so their scores do not leak them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.candidates.generators import CandidateGenerators
from models.item_table import FloatArray
from models.ranking_features import RankingFeatures
from models.transformed_data import Columns

USERS_AT_ONCE = 64
NO_POSITION = 0.0
LARGEST = 60_000.0  # of a feature: beyond it half precision knows only infinity


@dataclass(frozen=True)
class RankingLists:
    """Candidates of L users.

    Attributes:
        features: float16 [L, C, F]; half precision, as there are many.
        there: bool [L, C], false for padding.
        chosen: bool [L, C].
        position: float32 [L, C], from 1, where a chosen item had been shown; 0 where unknown.
        missed: float32 [L], chosen items that are no candidates.
    """

    features: npt.NDArray[np.float16]
    there: npt.NDArray[np.bool_]
    chosen: npt.NDArray[np.bool_]
    position: FloatArray
    missed: FloatArray

    @property
    def recall(self) -> float:
        """Share of the chosen items that are candidates."""
        found = float(self.chosen.sum())
        return found / max(found + float(self.missed.sum()), 1.0)

    def comparisons(self) -> npt.NDArray[np.int64]:
        """Returns which choices are compared with what was not chosen: list and position, [M, 2].

        The choices of a list that were shown at one position are learned from together.
        """
        row, place = np.nonzero(self.chosen)
        position = np.round(self.position[row, place]).astype(np.int64)
        return np.unique(np.stack([row, position], axis=1), axis=0)


def ranking_lists(
    queries: Columns, generators: CandidateGenerators, ranking_features: RankingFeatures
) -> RankingLists:
    """Retrieves candidates for queries.

    Args:
        queries: see `TransformedData.ranking_queries`.
        generators: of the earlier models.
        ranking_features: over the same.

    Returns:
        The lists.
    """

    @tf.function(reduce_retracing=True)
    def listed(inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        users = generators.users(inputs)
        index = generators.retrieve(users, users.seen).index
        context = ranking_features.context(users, index)
        made = ranking_features.of_candidates(users, index, context)
        return index, tf.cast(tf.clip_by_value(made, -LARGEST, LARGEST), tf.float16)

    parts = []
    for rows in _row_slices(len(queries[features.USER_INDEX])):
        names = (*features.USER_FEATURES, features.SEEN_INDEX)
        index, made = listed({name: tf.constant(queries[name][rows]) for name in names})
        chosen, position, missed = _labels(
            index.numpy(),
            queries[features.CHOSEN_INDEX][rows],
            queries[features.CHOSEN_LABEL_POSITION][rows],
        )
        parts.append((made.numpy(), index.numpy() > 0, chosen, position, missed))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return RankingLists(*columns)


def _row_slices(rows: int) -> Iterator[slice]:
    for start in range(0, rows, USERS_AT_ONCE):
        yield slice(start, start + USERS_AT_ONCE)


def _labels(
    index: npt.NDArray[np.int32],
    chosen_index: npt.NDArray[np.generic],
    chosen_position: npt.NDArray[np.generic],
) -> tuple[npt.NDArray[np.bool_], FloatArray, FloatArray]:
    """Marks the chosen among candidates [B, C]: chosen, their positions, and the number missed."""
    chosen = np.zeros(index.shape, np.bool_)
    position = np.full(index.shape, NO_POSITION, np.float32)
    missed = np.zeros(len(index), np.float32)
    for row, candidates in enumerate(index):
        own = chosen_index[row] > 0
        place_of = {item: place for place, item in enumerate(candidates) if item > 0}
        for item, shown in zip(chosen_index[row][own], chosen_position[row][own], strict=True):
            place = place_of.get(item)
            if place is None:
                missed[row] += 1.0
            else:
                chosen[row, place], position[row, place] = True, shown
    return chosen, position, missed
