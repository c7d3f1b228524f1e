"""Interactions as a sparse table of users and items: what factorizations are fitted on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.errors import UnsuitableDataError

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class InteractionTable:
    """Interactions of known users with known items, each pair once.

    Attributes:
        user_index: int64 [n], 1 to `users`.
        item_index: int64 [n], 1 to `items`.
        rating: float32 [n]; 1 for implicit feedback.
        users: number of users; some may have no interaction.
        items: number of items; some may have none.

    Raises:
        UnsuitableDataError: if there is no interaction, a rating is not finite, an index is out of
            range, or a pair is there twice.
    """

    user_index: Indices
    item_index: Indices
    rating: Floats
    users: int
    items: int

    def __post_init__(self) -> None:
        lengths = [len(self.user_index), len(self.item_index), len(self.rating)]
        if min(lengths) != max(lengths) or not lengths[0]:
            raise UnsuitableDataError(
                "user_index, item_index and rating must have the same length, at least 1. "
                f"Received: {lengths}. Give one of each for every interaction."
            )
        _check_range("user_index", self.user_index, self.users)
        _check_range("item_index", self.item_index, self.items)
        finite = np.isfinite(self.rating)
        if not finite.all():
            row = int(np.argmin(finite))
            raise UnsuitableDataError(
                f"ratings must be finite. Received: {self.rating[row]} of user "
                f"{self.user_index[row]} for item {self.item_index[row]}. Drop or mend that row."
            )
        # Sorted copies, not bool masks: a repeated pair would count twice in every objective.
        keys = np.sort(self.user_index * (self.items + 1) + self.item_index)
        repeated = np.flatnonzero(keys[1:] == keys[:-1])
        if len(repeated):
            user, item = divmod(int(keys[repeated[0]]), self.items + 1)
            raise UnsuitableDataError(
                f"each pair of user and item must be there once. Received: user {user} and item "
                f"{item} more often. Keep the newest of them."
            )

    def item_counts(self) -> Indices:
        """Returns the interactions of items 1 to `items`, int64 [items]."""
        return np.bincount(self.item_index, minlength=self.items + 1)[1:]

    def matrix(self) -> sparse.csr_matrix:
        """Returns a 1 for each interaction, float32 [users, items]; row i is user i + 1."""
        ones = np.ones(len(self.rating), np.float32)
        places = (self.user_index - 1, self.item_index - 1)
        return sparse.csr_matrix((ones, places), shape=(self.users, self.items))


def _check_range(name: str, values: Indices, most: int) -> None:
    low, high = int(values.min()), int(values.max())
    if low < 1 or high > most:
        raise UnsuitableDataError(
            f"{name} must be between 1 and {most}. Received: {low} to {high}. Look ids up in the "
            "vocabulary first."
        )
