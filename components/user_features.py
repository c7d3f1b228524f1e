"""A user's Examples, with features as of just before each interaction.

Only interactions with a strictly earlier timestamp count: those of the same second do not see each
other. A train example sees train interactions alone, so that no strategy of splitting leaks what is
held out; an eval example sees whatever was earlier.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import example_codec as codec
from components.example_files import Catalogue
from models import features

_Array = NDArray[Any]


@dataclass
class UserRows:
    """One user's interactions by time, n rows.

    `items` int [n] points into the catalogue, `ratings` float32 [n] is None for implicit feedback,
    `timestamps` int64 [n] is in seconds, `held_out` bool [n] marks the eval part.
    """

    user: str
    items: _Array
    ratings: _Array | None
    timestamps: _Array
    held_out: _Array


@dataclass
class UserExamples:
    """A user's serialized Examples by split; `query` is None without a train and an eval part."""

    train: list[bytes] = field(default_factory=list)
    eval: list[bytes] = field(default_factory=list)
    query: bytes | None = None
    user: bytes = b""


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


def encode_user(
    rows: UserRows, catalogue: Catalogue, max_history: int, activity: str, taste: str
) -> UserExamples:
    """Encodes all Examples of a user.

    Args:
        rows: the user's interactions.
        catalogue: ids and categories of the items.
        max_history: how many items HISTORY_ITEM_ID holds at most.
        activity: the value of USER_ACTIVITY in the query.
        taste: the value of USER_TASTE in the query.
    """
    train = np.flatnonzero(~rows.held_out)
    state = UserState(rows, catalogue, max_history)
    examples = UserExamples(train=_walk(rows, train, ~rows.held_out, state, catalogue))
    if rows.held_out.any() and len(train):
        query = state.encode() + state.encode_seen() + _encode_chosen(rows, catalogue)
        query += codec.bytes_feature(features.USER_ACTIVITY, codec.bytes_entry(activity))
        query += codec.bytes_feature(features.USER_TASTE, codec.bytes_entry(taste))
        examples.query = codec.example(query)
    if rows.held_out.any():
        state = UserState(rows, catalogue, max_history)
        everything = np.arange(len(rows.items))
        examples.eval = _walk(rows, everything, rows.held_out, state, catalogue)
    examples.user = codec.example(state.encode() + state.encode_seen())
    return examples


def _walk(
    rows: UserRows, seen: _Array, wanted: _Array, state: UserState, catalogue: Catalogue
) -> list[bytes]:
    """Adds the rows `seen` to the state by time and encodes an Example of each one wanted."""
    examples = []
    items, times = rows.items.tolist(), rows.timestamps.tolist()
    ratings = None if rows.ratings is None else rows.ratings.tolist()
    waiting: list[int] = []  # rows of the current second: not yet visible
    encoded: bytes | None = None
    for row in seen.tolist():
        if not waiting or times[row] != times[waiting[0]]:
            _add_all(state, waiting, items, ratings)
            waiting = []
            encoded = None
        waiting.append(row)
        if wanted[row]:
            encoded = state.encode() if encoded is None else encoded
            item = codec.bytes_entry(catalogue.ids[items[row]])
            interaction = codec.bytes_feature(features.ITEM_ID, item)
            interaction += codec.int64_feature(features.TIMESTAMP, [times[row]])
            if ratings is not None:
                interaction += codec.float_feature(features.RATING, [ratings[row]])
            examples.append(codec.example(encoded + interaction))
    _add_all(state, waiting, items, ratings)
    return examples


def _add_all(
    state: UserState, waiting: list[int], items: list[int], ratings: list[float] | None
) -> None:
    for row in waiting:
        state.add(items[row], 0.0 if ratings is None else ratings[row])


def _encode_chosen(rows: UserRows, catalogue: Catalogue) -> bytes:
    chosen = np.flatnonzero(rows.held_out)
    entries = b"".join(codec.bytes_entry(catalogue.ids[item]) for item in rows.items[chosen])
    encoded = codec.bytes_feature(features.CHOSEN_ITEM_ID, entries)
    if rows.ratings is not None:
        encoded += codec.float_feature(features.CHOSEN_RATING, rows.ratings[chosen])
    return encoded
