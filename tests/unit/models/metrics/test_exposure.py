import itertools
import random

import pytest

from models.metrics import exposure


def test_personalization_is_that_of_all_pairs_when_lists_are_drawn() -> None:
    draw = random.Random(1)
    catalogue = [bytes([number]) for number in range(30)]
    lists = [draw.sample(catalogue, draw.randint(0, 10)) for _ in range(40)]
    seen = exposure.no_exposure()
    for items in lists:
        seen = seen.with_list(items, 30)
    pairs = list(itertools.combinations(lists, 2))
    shared = sum(len(set(one) & set(other)) for one, other in pairs)
    possible = sum(min(len(one), len(other)) for one, other in pairs)
    assert exposure.personalization(seen) == pytest.approx(1 - shared / possible)


def test_gini_is_the_mean_difference_when_exposures_are_drawn() -> None:
    draw = random.Random(2)
    counts = [draw.randint(0, 5) for _ in range(20)]
    seen = exposure.no_exposure()
    for place, count in enumerate(counts):
        for _ in range(count):
            seen = seen.with_list([bytes([place])], 20)
    # The Gini coefficient by its other definition: half the mean difference of two different
    # items' exposures, over their mean.
    differences = [abs(one - other) for one, other in itertools.permutations(counts, 2)]
    expected = sum(differences) / (20 * 19) / (2 * sum(counts) / 20)
    assert exposure.gini(seen) == pytest.approx(expected)


def test_bundles_are_left_alone_when_merged() -> None:
    one = exposure.no_exposure().with_list([b"a", b""], 3)
    other = exposure.no_exposure().with_list([b"a", b"b"], 3)
    merged = exposure.merge([one, other])
    assert merged == ({b"a": 2, b"b": 1}, {1: 1, 2: 1}, 3)
    assert one == ({b"a": 1}, {1: 1}, 3)
