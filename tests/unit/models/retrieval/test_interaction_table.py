from collections.abc import Callable

import numpy as np
import pytest

from models.retrieval.interaction_table import InteractionTable

Make = Callable[..., InteractionTable]


@pytest.fixture
def make() -> Make:
    """Makes a table; by default user 1 had items 1 and 3, user 2 item 1, nobody item 2."""

    def table(
        user: tuple[int, ...] = (1, 1, 2),
        item: tuple[int, ...] = (1, 3, 1),
        rating: tuple[float, ...] = (4.0, 2.0, 5.0),
        users: int = 2,
        items: int = 3,
    ) -> InteractionTable:
        return InteractionTable(
            np.array(user, np.int64),
            np.array(item, np.int64),
            np.array(rating, np.float32),
            users,
            items,
        )

    return table


def test_counts_and_matrix_agree_when_an_item_has_no_interaction(make: Make) -> None:
    table = make()
    assert table.item_counts().tolist() == [2, 0, 1]
    assert table.matrix().toarray().tolist() == [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_says_so_when_there_is_no_interaction(make: Make) -> None:
    with pytest.raises(ValueError, match=r"same length, at least 1. Received: \[0, 0, 0\]"):
        make((), (), ())


def test_says_so_when_lengths_differ(make: Make) -> None:
    with pytest.raises(ValueError, match=r"Received: \[3, 3, 2\]. Give one of each"):
        make(rating=(1.0, 2.0))


@pytest.mark.parametrize("rating", [np.nan, np.inf])
def test_names_user_and_item_when_a_rating_is_not_finite(make: Make, rating: float) -> None:
    with pytest.raises(ValueError, match="Received: (nan|inf) of user 1 for item 3. Drop or mend"):
        make(rating=(4.0, rating, 5.0))


def test_names_the_range_when_an_index_is_outside(make: Make) -> None:
    with pytest.raises(ValueError, match="user_index must be between 1 and 2. Received: 0 to 2"):
        make(user=(0, 1, 2))
    with pytest.raises(ValueError, match="item_index must be between 1 and 3. Received: 1 to 4"):
        make(item=(1, 4, 1))


def test_a_row_is_empty_when_a_user_has_no_item(make: Make) -> None:
    table = make(user=(1, 1, 3), users=3)
    assert table.matrix().toarray().tolist() == [[1.0, 0.0, 1.0], [0.0] * 3, [1.0, 0.0, 0.0]]


def test_names_the_pair_when_it_is_there_twice(make: Make) -> None:
    with pytest.raises(ValueError, match="Received: user 1 and item 3 more often"):
        make(user=(1, 2, 1), item=(3, 1, 3))
