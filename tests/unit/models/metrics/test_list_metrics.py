import math

import pytest

from models.metrics.list_metrics import IntraListDiversity, NoveltyAtK


def test_diversity_is_the_mean_distance_when_users_differ(evaluate, user) -> None:
    users = [user([b"z"], [b"a"], distance=distance) for distance in (0.5, 0.25, 0.0)]
    assert evaluate(IntraListDiversity(), users, [""]) == {"intra_list_diversity@10": 0.25}


def test_novelty_is_the_mean_self_information_when_items_differ_in_popularity(
    evaluate, user
) -> None:
    # Of 64 interactions: -log2(32 / 64) = 1 and -log2(4 / 64) = 4, mean 2.5; the third item is
    # beyond k. The other user: -log2(16 / 64) = 2, and padding. The mean is 2.25 bits.
    users = [
        user([b"z"], [b"a", b"b", b"c"], interactions=[32.0, 4.0, 1.0]),
        user([b"z"], [b"d", b"", b""], interactions=[16.0, 0.0, 0.0]),
    ]
    assert evaluate(NoveltyAtK(k=2), users, [""]) == {"novelty@2": pytest.approx(2.25)}


def test_item_is_as_novel_as_with_one_interaction_when_it_has_none(evaluate, user) -> None:
    # -log2(1 / 64) = 6 bits either way.
    for count in (0.0, 1.0):
        found = evaluate(NoveltyAtK(k=10), [user([b"z"], [b"a"], interactions=[count])], [""])
        assert found == {"novelty@10": pytest.approx(6.0)}


def test_novelty_leaves_the_user_out_when_the_list_is_empty(evaluate, user) -> None:
    empty = user([b"z"], [b""], interactions=[0.0])
    users = [user([b"z"], [b"a"], interactions=[32.0]), empty]
    assert evaluate(NoveltyAtK(k=10), users, [""]) == {"novelty@10": pytest.approx(1.0)}
    assert math.isnan(evaluate(NoveltyAtK(k=10), [empty], [""])["novelty@10"])


def test_models_are_told_apart_when_their_lists_differ(evaluate, user, two_models) -> None:
    both = two_models(
        user([b"z"], [b"a"], interactions=[32.0], distance=0.5),
        user([b"z"], [b"b"], interactions=[4.0], distance=0.0),
    )
    models = ["candidate", "baseline"]
    assert evaluate(NoveltyAtK(k=10), [both], models) == {
        "candidate/novelty@10": pytest.approx(1.0),
        "baseline/novelty@10": pytest.approx(4.0),
    }
    assert evaluate(IntraListDiversity(), [both], models) == {
        "candidate/intra_list_diversity@10": 0.5,
        "baseline/intra_list_diversity@10": 0.0,
    }
