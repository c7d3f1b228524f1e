"""A user's Examples, with features as of just before each interaction.

Only interactions with a strictly earlier timestamp count: those of the same second do not see each
other. A train example sees train interactions alone and a late one no eval interaction, so that no
strategy of splitting leaks what is held out; an eval example sees whatever was earlier.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import example_codec as codec
from components import splits
from components.example_files import Catalogue
from components.user_state import UserRows, UserState
from models import features

_Array = NDArray[Any]


@dataclass
class UserExamples:
    """A user's serialized Examples by split.

    `ranking` is None without a train and a late part, `query` without training and an eval part.
    """

    train: list[bytes] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)
    eval: list[bytes] = field(default_factory=list)
    ranking: bytes | None = None
    query: bytes | None = None
    user: bytes = b""


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
    examples = UserExamples()
    is_late, is_eval = rows.part == splits.LATE, rows.part == splits.EVAL
    train = rows.part == splits.TRAIN
    state = UserState(rows, catalogue, max_history)
    examples.train = _walk(rows, train, train, state, catalogue)
    if is_late.any():
        if train.any():
            examples.ranking = codec.example(_encode_choice(rows, is_late, state, catalogue))
        state = UserState(rows, catalogue, max_history)
        examples.late = _walk(rows, ~is_eval, is_late, state, catalogue)
    if is_eval.any():
        if not is_eval.all():
            query = _encode_choice(rows, is_eval, state, catalogue)
            query += codec.bytes_feature(features.USER_ACTIVITY, codec.bytes_entry(activity))
            query += codec.bytes_feature(features.USER_TASTE, codec.bytes_entry(taste))
            examples.query = codec.example(query)
        state = UserState(rows, catalogue, max_history)
        everything = np.ones(len(rows.items), dtype=np.bool_)
        examples.eval = _walk(rows, everything, is_eval, state, catalogue)
    examples.user = codec.example(state.encode() + state.encode_seen())
    return examples


def _walk(
    rows: UserRows, seen: _Array, wanted: _Array, state: UserState, catalogue: Catalogue
) -> list[bytes]:
    """Adds the rows `seen` to the state by time and encodes an Example of each one wanted."""
    examples = []
    items, times = rows.items.tolist(), rows.timestamps.tolist()
    ratings = None if rows.ratings is None else rows.ratings.tolist()
    positions = [0.0] * len(items) if rows.positions is None else rows.positions.tolist()
    waiting: list[int] = []  # rows of the current second: not yet visible
    encoded: bytes | None = None
    for row in np.flatnonzero(seen).tolist():
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
            if positions[row]:
                interaction += codec.float_feature(features.POSITION, [positions[row]])
            examples.append(codec.example(encoded + interaction))
    _add_all(state, waiting, items, ratings)
    return examples


def _add_all(
    state: UserState, waiting: list[int], items: list[int], ratings: list[float] | None
) -> None:
    for row in waiting:
        state.add(items[row], 0.0 if ratings is None else ratings[row])


def _encode_choice(rows: UserRows, chosen: _Array, state: UserState, catalogue: Catalogue) -> bytes:
    """Encodes what is known of the user, and what they then chose."""
    entries = b"".join(codec.bytes_entry(catalogue.ids[item]) for item in rows.items[chosen])
    encoded = state.encode() + state.encode_seen()
    encoded += codec.bytes_feature(features.CHOSEN_ITEM_ID, entries)
    if rows.ratings is not None:
        encoded += codec.float_feature(features.CHOSEN_RATING, rows.ratings[chosen])
    if rows.positions is not None:
        encoded += codec.float_feature(features.CHOSEN_POSITION, rows.positions[chosen])
    return encoded
