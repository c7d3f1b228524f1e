import numpy as np

from models.ties import tie_order


def test_the_order_is_a_permutation_and_stays_when_asked_again() -> None:
    assert sorted(tie_order(50).tolist()) == list(range(50))
    assert tie_order(50).tolist() == tie_order(50).tolist()


def test_the_order_says_nothing_of_the_index_when_there_are_many() -> None:
    # Of a random permutation of n the correlation with the index is about 1 / sqrt(n) = 0.01.
    order = tie_order(10_000)
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05
