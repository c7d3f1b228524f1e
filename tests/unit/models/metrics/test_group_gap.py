from math import nan

import pytest

from models.metrics.group_gap import MIN_GROUP_USERS, NDCGGapAtK

GAP = "ndcg@10_gap_by_activity"


@pytest.fixture(scope="module")
def group(user):
    """Makes users of one group, of whom some have their item first and the others not at all."""

    def make(name: bytes | None, hits: int, misses: int):
        query = {} if name is None else {"user_activity": [name]}
        return [user([b"a"], [b"a"], **query) for _ in range(hits)] + [
            user([b"a"], [b"b"], **query) for _ in range(misses)
        ]

    return make


def gap(min_users: int = MIN_GROUP_USERS, unmeasured: float | None = None) -> NDCGGapAtK:
    feature = "user_activity"
    return NDCGGapAtK(10, feature, name=GAP, min_users=min_users, unmeasured=unmeasured)


def test_gap_is_between_the_farthest_groups_when_there_are_three(evaluate, group) -> None:
    # Means 3/4, 1/4 and 2/4.
    users = group(b"low", 3, 1) + group(b"medium", 1, 3) + group(b"high", 2, 2)
    assert evaluate(gap(min_users=4), users, [""]) == {GAP: pytest.approx(0.5)}


def test_group_is_left_out_when_it_has_few_users(evaluate, group) -> None:
    # Without the third group's mean of 1: means 15/20 and 5/20.
    users = group(b"low", 15, 5) + group(b"medium", 5, 15) + group(b"high", 19, 0)
    assert evaluate(gap(), users, [""]) == {GAP: pytest.approx(0.5)}
    # With a twentieth user: 1 less 5/20.
    assert evaluate(gap(), users + group(b"high", 1, 0), [""]) == {GAP: pytest.approx(0.75)}


@pytest.mark.parametrize("names", [[], [b"low"], [None, b"low"], [b"", b"low"]])
def test_gap_is_missing_when_there_are_fewer_than_two_groups(evaluate, group, names) -> None:
    users = [one for hits, name in enumerate(names) for one in group(name, hits, 1)]
    assert evaluate(gap(min_users=1), users, [""]) == {GAP: pytest.approx(nan, nan_ok=True)}
    # To be judged it keeps its bounds, and the baseline seems no better.
    judged = gap(min_users=1, unmeasured=0.0)
    models = ["candidate", "baseline"]
    expected = {f"candidate/{GAP}": 0.0, f"baseline/{GAP}": 1.0}
    assert evaluate(judged, [], models) == expected


def test_user_is_left_out_when_nothing_was_chosen(evaluate, group, user) -> None:
    users = group(b"low", 1, 0) + [user([b""], [b"a"], user_activity=[b"high"])]
    assert evaluate(gap(min_users=1), users, [""]) == {GAP: pytest.approx(nan, nan_ok=True)}


def test_models_are_told_apart_when_one_favours_a_group(evaluate, group, two_models) -> None:
    # The candidate finds everybody's item, the baseline the first group's alone.
    first, second = group(b"low", 1, 0)[0], group(b"high", 1, 0)[0]
    missed = group(b"high", 0, 1)[0]
    users = [two_models(first, first), two_models(second, missed)]
    found = evaluate(gap(min_users=1), users, ["candidate", "baseline"])
    assert found == {f"candidate/{GAP}": 0.0, f"baseline/{GAP}": 1.0}
