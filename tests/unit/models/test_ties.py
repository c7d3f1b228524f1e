import numpy as np

from models.ties import scattered, tie_order


def test_the_order_is_a_permutation_and_stays_when_asked_again() -> None:
    assert sorted(tie_order(50).tolist()) == list(range(50))
    assert tie_order(50).tolist() == tie_order(50).tolist()


def test_the_order_says_nothing_of_the_index_when_there_are_many() -> None:
    # Of a random permutation of n the correlation with the index is about 1 / sqrt(n) = 0.01.
    order = tie_order(10_000)
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05


def test_neighbouring_keys_are_in_no_order_when_scattered() -> None:
    keys = np.arange(10_000)
    numbers = scattered(keys)
    assert len(set(numbers.tolist())) == len(keys)
    assert numbers.tolist() == scattered(keys).tolist()
    # Whichever of two neighbours comes first, and however far apart they come to stand.
    places = np.argsort(np.argsort(numbers))
    assert abs(np.corrcoef(places, keys)[0, 1]) < 0.05
    assert abs(np.mean(places[1:] > places[:-1]) - 0.5) < 0.03
    assert np.mean(np.abs(np.diff(places)) < 100) < 0.05
