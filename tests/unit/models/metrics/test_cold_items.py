import math

import pytest

from models.metrics.cold_items import ColdItemRecallAtK


def test_recall_looks_at_new_items_alone_when_others_were_chosen_too(evaluate, user) -> None:
    # Of the first user's new items b and c the first two hold c; a, chosen and found, is not new.
    # The second user's only new item is missed, the third chose none: the mean of 1/2 and 0.
    users = [
        user([b"a", b"b", b"c"], [b"a", b"c", b"b"], chosen_interactions=[9.0, 0.0, 0.0]),
        user([b"d", b""], [b"a", b"c"], chosen_interactions=[0.0, -1.0, -1.0]),
        user([b"a"], [b"a"], chosen_interactions=[9.0, -1.0]),
    ]
    assert evaluate(ColdItemRecallAtK(k=2), users, [""]) == {"cold_item_recall@2": 0.25}
    assert evaluate(ColdItemRecallAtK(k=3), users, [""]) == {"cold_item_recall@3": 0.5}


def test_recall_is_nan_when_nobody_chose_a_new_item(evaluate, user) -> None:
    users = [user([b"a"], [b"a"], chosen_interactions=[1.0])]
    assert math.isnan(evaluate(ColdItemRecallAtK(k=100), users, [""])["cold_item_recall@100"])


def test_stand_in_favours_the_candidate_when_nobody_chose_a_new_item(
    evaluate, user, two_models
) -> None:
    one = user([b"a"], [b"a"], chosen_interactions=[1.0])
    metric = ColdItemRecallAtK(k=100, name="judged", unmeasured=0.9)
    found = evaluate(metric, [two_models(one, one)], ["candidate", "baseline"])
    assert found == {"candidate/judged": 0.9, "baseline/judged": 1e-9}


def test_stand_in_is_not_used_when_somebody_chose_a_new_item(evaluate, user) -> None:
    users = [user([b"a"], [b"b"], chosen_interactions=[0.0])]
    metric = ColdItemRecallAtK(k=100, unmeasured=1.0)
    assert evaluate(metric, users, [""]) == {"cold_item_recall@100": 0.0}


def test_metric_is_refused_when_k_is_outside_the_lists() -> None:
    with pytest.raises(ValueError, match="k must be between 1 and 100.*Received: 0"):
        ColdItemRecallAtK(k=0)
