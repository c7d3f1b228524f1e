"""Rules that hold whatever is asked, each user's list as if they had asked alone."""

from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import features
from models.candidates.merge import Merged

ITEMS = 12  # of the planted world
item = st.integers(0, ITEMS)
row = st.tuples(
    st.lists(st.integers(1, ITEMS), max_size=3, unique=True),  # history
    st.lists(item, max_size=10),  # excluded
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3),  # shares of categories
    st.tuples(st.integers(0, 2), st.integers(0, 1)),  # attributes
    st.sampled_from([0, 0, 2, 3]),  # multiples of it are refused, of 0 nothing
)
SIZE = 7
PASSES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 12]


class Asked(tf.Module):
    """One graph for all requests."""

    def __init__(self, planted: Any) -> None:
        super().__init__()
        # Few of each, so that who nominates more than they may is seen.
        few = planted.EVERYTHING | {"nearest": 1, "popular": 1, "fresh": 1}
        self.generators = planted.make(SIZE, passes=PASSES, **few)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.int64),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, 3]),
            tf.TensorSpec([None, 2], tf.int64),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def retrieve(
        self, history: Any, excluded: Any, share: Any, attribute: Any, refused: Any
    ) -> Merged:
        users = self.generators.users(
            {
                features.HISTORY_INDEX: history,
                features.SEEN_INDEX: history,
                features.USER_CATEGORY_SHARE: share,
                features.USER_ATTRIBUTE_INDEX: attribute,
            }
        )

        def allows(index: tf.Tensor) -> tf.Tensor:
            divisor = tf.maximum(refused, 1)[:, tf.newaxis]
            return (index % divisor != 0) | (refused == 0)[:, tf.newaxis]

        return self.generators.retrieve(users, excluded, allows, refused > 0)


@pytest.fixture(scope="module")
def asked(planted: Any) -> Asked:
    return Asked(planted)


def ask(asked: Asked, rows: list[Any]) -> Merged:
    histories, excluded, shares, attributes, refused = zip(*rows, strict=True)
    width = max(map(len, excluded))
    return asked.retrieve(
        tf.constant([(own + [0] * 3)[:3] for own in histories], tf.int64),
        tf.constant(
            [own + [0] * (width - len(own)) for own in excluded], tf.int32, [len(rows), width]
        ),
        tf.constant(shares, tf.float32),
        tf.constant(attributes, tf.int64),
        tf.constant(refused, tf.int32),
    )


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(row, min_size=1, max_size=4))
def test_rules_hold_and_rows_are_as_if_alone_when_anything_is_asked(
    asked: Asked, rows: list[Any]
) -> None:
    found = ask(asked, rows)
    for number, (_, excluded, _, _, refused) in enumerate(rows):
        index = found.index[number].numpy().tolist()
        left = {
            own for own in PASSES if own not in excluded and not (refused and own % refused == 0)
        }
        items = [own for own in index if own]
        assert set(items) <= left
        assert len(items) == len(set(items)) == min(SIZE, len(left))
        assert index == items + [0] * (SIZE - len(items))
        alone = ask(asked, [rows[number]])
        for together, own in zip(found, alone, strict=True):
            assert together[number].numpy().tolist() == own[0].numpy().tolist()
