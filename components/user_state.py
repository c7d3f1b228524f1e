"""One user's interactions, and what is known of the user after some of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import example_codec as codec
from components.example_files import Catalogue
from components.user_profiles import NO_PROFILE, Profile
from models import features

_Array = NDArray[Any]


@dataclass
class UserRows:
    """One user's interactions by time, n rows, and their profile.

    `items` int [n] points into the catalogue, `ratings` float32 [n] is None for implicit feedback,
    `timestamps` int64 [n] is in seconds, `part` int8 [n] is one of `splits.TRAIN`, LATE and EVAL,
    `positions` float32 [n], 0 where unknown, is None for data without positions.
    """

    user: str
    items: _Array
    ratings: _Array | None
    timestamps: _Array
    part: _Array
    positions: _Array | None = None
    profile: Profile = NO_PROFILE


class UserState:
    """What is known of a user so far; interactions are added in the order of time."""

    def __init__(self, rows: UserRows, catalogue: Catalogue, max_history: int) -> None:
        names = sorted({name for item in rows.items for name in catalogue.categories[item]})
        position = {name: i for i, name in enumerate(names)}
        self._categories_of_item = {
            item: [position[name] for name in catalogue.categories[item]]
            for item in rows.items.tolist()
        }
        self._entry_of_item = {
            item: codec.bytes_entry(catalogue.ids[item]) for item in rows.items.tolist()
        }
        self._category_entries = [codec.bytes_entry(name) for name in names]
        self._user = codec.bytes_feature(features.USER_ID, codec.bytes_entry(rows.user))
        self._user += rows.profile.attributes
        self._stated = rows.profile.categories
        self._explicit = rows.ratings is not None
        self._max_history = max_history
        self._counts = np.zeros(len(names))
        self._sums = np.zeros(len(names))
        self._total = 0.0
        self._history: list[bytes] = []  # oldest first

    def add(self, item: int, rating: float) -> None:
        """Adds an interaction; `rating` is ignored for implicit feedback."""
        for category in self._categories_of_item[item]:
            self._counts[category] += 1
            self._sums[category] += rating
        self._total += rating
        self._history.append(self._entry_of_item[item])

    def encode(self) -> bytes:
        """Encodes the user's features."""
        count = len(self._history)
        parts = [self._user, codec.float_feature(features.USER_INTERACTION_COUNT, [count])]
        if count:
            recent = b"".join(self._history[: -self._max_history - 1 : -1])
            parts.append(codec.bytes_feature(features.HISTORY_ITEM_ID, recent))
            if self._explicit:
                parts.append(codec.float_feature(features.USER_MEAN_RATING, [self._total / count]))
            parts.append(self._encode_categories())
        elif self._stated:
            # What they say stands only until it is known what they do.
            names = b"".join(map(codec.bytes_entry, self._stated))
            parts.append(codec.bytes_feature(features.USER_CATEGORY, names))
            counts = [1.0] * len(self._stated)
            parts.append(codec.float_feature(features.USER_CATEGORY_COUNT, counts))
        return b"".join(parts)

    def encode_seen(self) -> bytes:
        """Encodes every item so far, newest first."""
        return codec.bytes_feature(features.SEEN_ITEM_ID, b"".join(self._history[::-1]))

    def _encode_categories(self) -> bytes:
        known = np.flatnonzero(self._counts)
        counts = self._counts[known]
        names = b"".join([self._category_entries[category] for category in known])
        encoded = codec.bytes_feature(features.USER_CATEGORY, names)
        encoded += codec.float_feature(features.USER_CATEGORY_COUNT, counts)
        if self._explicit:
            means = self._sums[known] / counts
            encoded += codec.float_feature(features.USER_CATEGORY_MEAN_RATING, means)
        return encoded
