import math

import pytest

from models import contract
from models.metrics.ranking_metrics import (
    HitRateAtK,
    MeanReciprocalRank,
    NDCGAtK,
    NDCGLiftAtK,
    RecallAtK,
)


@pytest.fixture(scope="module")
def users(user):
    # The first user's hits: c at place 2 of the recommended, d at place 0 of the popular list.
    # The second user's: none recommended, a at place 0 of the popular list.
    return [
        user([b"c", b"d"], [b"a", b"b", b"c"], [b"d"]),
        user([b"a"], [b"x", b""], [b"a"]),
    ]


def test_recall_is_averaged_over_users_when_some_have_no_hit(evaluate, users) -> None:
    # Means of (1/2, 0) at 3 and of (0, 0) at 2.
    assert evaluate(RecallAtK(k=3), users, [""]) == {"recall@3": 0.25}
    assert evaluate(RecallAtK(k=2), users, [""]) == {"recall@2": 0.0}


def test_recall_reads_the_other_list_when_output_is_named(evaluate, users) -> None:
    metric = RecallAtK(k=10, name="popular", output=contract.POPULAR_ITEM_ID)
    assert evaluate(metric, users, [""]) == {"popular": 0.75}  # mean of 1/2 and 1


def test_ndcg_is_averaged_over_users_when_some_have_no_hit(evaluate, users) -> None:
    # First user: 1 / log2(4) = 0.5 of an ideal 1 + 1 / log2(3) = 1.63093: 0.306574; second: 0.
    found = evaluate(NDCGAtK(k=10), users, [""])
    assert found == {"ndcg@10": pytest.approx(0.153287, abs=1e-6)}


def test_mrr_and_hit_rate_are_averaged_when_some_have_no_hit(evaluate, users) -> None:
    assert evaluate(MeanReciprocalRank(), users, [""]) == {"mrr": pytest.approx(1 / 6)}
    assert evaluate(HitRateAtK(k=10), users, [""]) == {"hit_rate@10": 0.5}
    assert evaluate(HitRateAtK(k=2), users, [""]) == {"hit_rate@2": 0.0}


def test_lift_is_negative_when_popular_is_better(evaluate, users) -> None:
    # Popular: 1 / 1.63093 = 0.613147 and 1: mean 0.806574. Recommended: 0.153287 as above.
    found = evaluate(NDCGLiftAtK(k=10), users, [""])
    assert found == {"ndcg@10_lift_over_popular": pytest.approx(-0.653287, abs=1e-6)}


def test_user_is_left_out_when_nothing_was_chosen(evaluate, user) -> None:
    users = [user([b"a"], [b"a"]), user([b""], [b"a"])]
    assert evaluate(RecallAtK(k=10), users, [""]) == {"recall@10": 1.0}


def test_metric_is_nan_when_there_is_no_user(evaluate) -> None:
    assert math.isnan(evaluate(NDCGAtK(k=10), [], [""])["ndcg@10"])


def test_models_are_told_apart_when_there_are_two(evaluate, user, two_models) -> None:
    both = two_models(user([b"a"], [b"a"]), user([b"a"], [b"b"]))
    found = evaluate(RecallAtK(k=10), [both], ["candidate", "baseline"])
    assert found == {"candidate/recall@10": 1.0, "baseline/recall@10": 0.0}


@pytest.mark.parametrize("k", [0, 101])
@pytest.mark.parametrize("metric", [RecallAtK, NDCGAtK, HitRateAtK, NDCGLiftAtK])
def test_metric_is_refused_when_k_is_outside_the_lists(metric, k: int) -> None:
    with pytest.raises(ValueError, match=f"k must be between 1 and 100.*Received: {k}"):
        metric(k=k)


def test_missing_output_is_named_when_signature_lacks_it(evaluate, user) -> None:
    broken = user([b"a"], [b"a"])
    del broken["predictions"][contract.RECOMMENDED_ITEM_ID]
    with pytest.raises(ValueError, match="must return 'recommended_item_id'.*Received.*popular"):
        evaluate(RecallAtK(k=10), [broken], [""])
