import math

import pytest

from models.metrics.exposure_metrics import (
    CatalogueCoverageAtK,
    ExposureGiniAtK,
    PersonalizationAtK,
)


@pytest.fixture(scope="module")
def users(user):
    # First two: a b, b d, b. Shown to: a 1, b 3, d 1 users. All: a b c, b d, b.
    return [
        user([b"z"], [b"a", b"b", b"c"], catalogue_size=5),
        user([b"z"], [b"b", b"d", b""], catalogue_size=5),
        user([b"z"], [b"b", b"", b""], catalogue_size=5),
    ]


def test_coverage_counts_distinct_items_when_users_share_some(evaluate, users) -> None:
    # a, b and d of five; then c too. Padding is no item.
    assert evaluate(CatalogueCoverageAtK(k=2), users, [""]) == {"catalogue_coverage@2": 0.6}
    assert evaluate(CatalogueCoverageAtK(k=9), users, [""]) == {"catalogue_coverage@9": 0.8}


def test_gini_counts_items_nobody_is_shown_when_lists_are_few(evaluate, users) -> None:
    # Exposures 0, 0, 1, 1, 3 with 2 i - 6 = -4, -2, 0, 2, 4: (0 + 2 + 12) / (4 x 5) = 0.7.
    found = evaluate(ExposureGiniAtK(k=2), users, [""])
    assert found == {"exposure_gini@2": pytest.approx(0.7)}


def test_gini_has_its_ends_when_one_or_all_items_are_shown(evaluate, user) -> None:
    one = [user([b"z"], [b"a"], catalogue_size=1000) for _ in range(3)]
    assert evaluate(ExposureGiniAtK(k=10), one, [""]) == {"exposure_gini@10": pytest.approx(1.0)}
    all_items = [user([b"z"], [item], catalogue_size=2) for item in (b"a", b"b")]
    assert evaluate(ExposureGiniAtK(k=10), all_items, [""]) == {"exposure_gini@10": 0.0}
    single = [user([b"z"], [b"a"], catalogue_size=1)]
    assert evaluate(ExposureGiniAtK(k=10), single, [""]) == {"exposure_gini@10": 0.0}


def test_personalization_is_what_pairs_do_not_share_when_lists_differ(evaluate, user) -> None:
    lists = [[b"a", b"b"], [b"b", b"c"], [b"c", b"d"]]
    users = [user([b"z"], items) for items in lists]
    # The three pairs share 1, 0 and 1 of 2 items: 1 - 2 / 6.
    found = evaluate(PersonalizationAtK(k=2), users, [""])
    assert found == {"personalization@2": pytest.approx(2 / 3)}


def test_personalization_counts_what_could_be_shared_when_lists_are_short(evaluate, users) -> None:
    # The pairs share 1, 1 and 1 items; the shorter lists have 2, 1 and 1: 1 - 3 / 4.
    found = evaluate(PersonalizationAtK(k=2), users, [""])
    assert found == {"personalization@2": pytest.approx(0.25)}


def test_personalization_is_zero_when_everyone_gets_the_same_list(evaluate, user) -> None:
    same = [user([b"z"], [b"a", b"b", b"c"]) for _ in range(5)]
    assert evaluate(PersonalizationAtK(k=10), same, [""]) == {"personalization@10": 0.0}
    apart = [user([b"z"], [bytes([number])]) for number in range(5)]
    assert evaluate(PersonalizationAtK(k=10), apart, [""]) == {"personalization@10": 1.0}


def test_repeated_item_counts_once_when_a_list_holds_it_twice(evaluate, user) -> None:
    users = [user([b"z"], [b"a", b"a"]), user([b"z"], [b"b", b"b"])]
    assert evaluate(PersonalizationAtK(k=10), users, [""]) == {"personalization@10": 1.0}
    # Eight items of ten nobody is shown, two once: (7 + 9) / (9 x 2) = 0.889.
    found = evaluate(ExposureGiniAtK(k=10), users, [""])
    assert found == {"exposure_gini@10": pytest.approx(16 / 18)}


@pytest.mark.parametrize("metric", [CatalogueCoverageAtK, ExposureGiniAtK, PersonalizationAtK])
def test_exposure_is_nan_when_there_is_no_user(evaluate, metric) -> None:
    assert [math.isnan(value) for value in evaluate(metric(k=10), [], [""]).values()] == [True]


def test_personalization_is_nan_when_there_is_one_list(evaluate, user) -> None:
    users = [user([b"z"], [b"a"]), user([b"z"], [b""])]
    assert math.isnan(evaluate(PersonalizationAtK(k=10), users, [""])["personalization@10"])


def test_models_are_told_apart_when_their_lists_differ(evaluate, user, two_models) -> None:
    both = [
        two_models(user([b"z"], [item]), user([b"z"], [b"same"])) for item in (b"a", b"b", b"c")
    ]
    found = evaluate(PersonalizationAtK(k=10), both, ["candidate", "baseline"])
    assert found == {"candidate/personalization@10": 1.0, "baseline/personalization@10": 0.0}


@pytest.mark.parametrize("metric", [CatalogueCoverageAtK, ExposureGiniAtK, PersonalizationAtK])
def test_metric_is_refused_when_k_is_outside_the_lists(metric) -> None:
    with pytest.raises(ValueError, match="k must be between 1 and 100.*Received: 101"):
        metric(k=101)


def test_missing_output_is_named_when_signature_lacks_the_size(evaluate, user) -> None:
    broken = user([b"a"], [b"a"])
    del broken["predictions"]["catalogue_size"]
    with pytest.raises(ValueError, match="must return 'catalogue_size'"):
        evaluate(CatalogueCoverageAtK(k=10), [broken], [""])
