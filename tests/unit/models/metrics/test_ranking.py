import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import ranking

ITEMS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e", b""]), max_size=8)


def test_hit_ranks_are_places_of_chosen_items_when_list_is_padded() -> None:
    assert ranking.hit_ranks([b"a", b"b", b"c", b""], [b"c", b"a", b""]) == [0, 2]


def test_hit_counts_once_when_list_repeats_an_item() -> None:
    assert ranking.hit_ranks([b"b", b"a", b"a"], [b"a"]) == [1]


def test_recall_counts_hits_of_the_first_k_when_more_follow() -> None:
    # Hits at 0 and 2; two of the four chosen are among the first 3, one among the first 2.
    assert ranking.recall([0, 2], 4, 3) == 0.5
    assert ranking.recall([0, 2], 4, 2) == 0.25


def test_ndcg_uses_an_ideal_of_k_hits_when_more_are_chosen() -> None:
    # Gain: 1 at place 0. Ideal of min(2, 3) hits: 1 + 1 / log2(3) = 1.63093. 1 / 1.63093 = 0.61315.
    assert ranking.ndcg([0, 2], 3, 2) == pytest.approx(0.613147, abs=1e-6)


def test_ndcg_uses_an_ideal_of_the_chosen_when_fewer_than_k() -> None:
    # Gain: 1 / log2(3) = 0.63093 at place 1. The ideal is one hit at the top: 1.
    assert ranking.ndcg([1], 1, 10) == pytest.approx(0.630930, abs=1e-6)


def test_ndcg_does_not_depend_on_the_base_when_compared_with_natural_log() -> None:
    natural = (1 / math.log(2) + 1 / math.log(4)) / (1 / math.log(2) + 1 / math.log(3))
    assert ranking.ndcg([0, 2], 2, 10) == pytest.approx(natural)


@pytest.mark.parametrize(("ranks", "expected"), [([3, 5], 0.25), ([], 0.0)])
def test_reciprocal_rank_is_of_the_first_hit_when_there_is_any(
    ranks: list[int], expected: float
) -> None:
    assert ranking.reciprocal_rank(ranks) == expected


@pytest.mark.parametrize(("ranks", "expected"), [([9], 1.0), ([10], 0.0), ([], 0.0)])
def test_hit_is_one_when_first_hit_is_inside_k(ranks: list[int], expected: float) -> None:
    assert ranking.hit(ranks, 10) == expected


@given(ranked=ITEMS, chosen=ITEMS, k=st.integers(1, 10))
def test_metrics_stay_between_0_and_1_when_anything_is_listed(
    ranked: list[bytes], chosen: list[bytes], k: int
) -> None:
    count = len(set(chosen) - {b""})
    ranks = ranking.hit_ranks(ranked, chosen)
    assert len(ranks) <= count
    if count:
        assert 0.0 <= ranking.recall(ranks, count, k) <= 1.0
        assert 0.0 <= ranking.ndcg(ranks, count, k) <= 1.0 + 1e-12
