import numpy as np
import pytest

from models.retrieval.cold_items import fill_cold_items

# Items 1 to 3 have been chosen, 4 to 7 have not; categories 0, 1 and 2.
COUNTS = np.array([5, 1, 2, 0, 0, 0, 0])
VECTORS = np.array([[9, 9], [1, 0], [3, 0], [0, 8], [7, 7], [7, 7], [7, 7], [7, 7]], np.float32)
CATEGORIES = np.array(
    [
        [0, 0, 0],
        [1, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [1, 0, 0],  # item 4: of category 0
        [1, 1, 0],  # item 5: of both
        [0, 0, 0],  # item 6: of none
        [0, 0, 1],  # item 7: of one that nobody has chosen from
    ],
    np.float32,
)
# Mean of category 0: ((1, 0) + (3, 0)) / 2 = (2, 0); of category 1: (0, 8);
# of both: ((2, 0) + (0, 8)) / 2 = (1, 4); of all chosen: (4 / 3, 8 / 3).
EXPECTED = {4: (2, 0), 5: (1, 4), 6: (4 / 3, 8 / 3), 7: (4 / 3, 8 / 3)}


@pytest.mark.parametrize(("item", "vector"), EXPECTED.items())
def test_an_item_gets_the_mean_of_its_categories_when_nobody_has_chosen_it(
    item: int, vector: tuple[float, float]
) -> None:
    assert fill_cold_items(VECTORS, COUNTS, CATEGORIES)[item] == pytest.approx(vector)


def test_vectors_stay_when_items_have_been_chosen_or_are_unknown() -> None:
    before = VECTORS.copy()
    filled = fill_cold_items(VECTORS, COUNTS, CATEGORIES)
    assert filled[:4].tolist() == VECTORS[:4].tolist()
    assert before.tolist() == VECTORS.tolist()
