from pathlib import Path

import pytest
import tensorflow as tf

from components.canary import (
    CanaryResult,
    CanaryUser,
    Check,
    list_problems,
    read_canary_data,
    report_checks,
)
from models.options import RerankingOptions

_USER = CanaryUser("u", frozenset({"s1", "s2"}))
_FLAGGED = RerankingOptions(exclude_flags=("adult",))


def _failed(
    item_ids: list[str], scores: list[float], known: set[str] | None = None
) -> dict[str, str]:
    """Asks for lists of 3, and returns the first problem of each check that fails."""
    problems = list_problems(_USER, item_ids, scores, 3, known or set())
    return {check: found[0] for check, found in problems.items() if found}


def _write_split(folder: Path, split: str, examples: list[dict[str, list[bytes]]]) -> None:
    (folder / f"Split-{split}").mkdir()
    path = folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for values in examples:
            example = tf.train.Example()
            for name, value in values.items():
                example.features.feature[name].bytes_list.value.extend(value)
            if split == "items":
                example.features.feature["item_interaction_count"].float_list.value.append(0.0)
            writer.write(example.SerializeToString())


def test_nothing_is_wrong_when_list_is_good() -> None:
    assert _failed(["a", "b", "c"], [0.9, 0.9, 0.1]) == {}


def test_nothing_is_wrong_when_short_list_holds_all_that_is_left() -> None:
    # The catalogue is a, s1 and s2; the user has seen the latter two.
    assert _failed(["a", "", ""], [0.9, 0.0, 0.0], {"a", "s1", "s2"}) == {}


def test_nothing_is_wrong_when_list_is_empty_and_all_was_seen() -> None:
    assert _failed(["", "", ""], [0.0, 0.0, 0.0], {"s1", "s2"}) == {}


@pytest.mark.parametrize(
    ("item_ids", "scores", "check", "message"),
    [
        (["a", "", ""], [0.9, 0, 0], "full lists", "gets 1 of 3 items, although 'b' is left"),
        (["a", "b"], [0.9, 0.8], "full lists", "must get 3 entries. Received: 2 ids, 2 scores"),
        (["a", "b", "c"], [0.9, 0.8], "full lists", "Received: 3 ids, 2 scores"),
        (["", "a", "b"], [0.9, 0.8, 0.7], "full lists", "before the end of the list"),
        (["a", "b", "a"], [0.9, 0.8, 0.7], "unique items", "gets 'a' more than once"),
        (["a", "s2", "b"], [0.9, 0.8, 0.7], "nothing seen", "has already seen 's2'"),
        (["a", "b", "c"], [0.9, float("nan"), 0.7], "finite scores", "gets scores"),
        (["a", "b", "c"], [float("inf"), 0.8, 0.7], "finite scores", "gets scores"),
        (["a", "b", "c"], [0.9, 0.7, 0.8], "sorted", "gets scores that increase"),
    ],
)
def test_one_check_fails_when_list_has_one_flaw(
    item_ids: list[str], scores: list[float], check: str, message: str
) -> None:
    failed = _failed(item_ids, scores, {"a", "b"})
    assert list(failed) == [check]
    assert message in failed[check]


def test_order_is_not_looked_at_when_something_else_than_scores_made_it() -> None:
    problems = list_problems(_USER, ["a", "b", "c"], [0.9, 0.7, 0.8], 3, set(), ordered=False)
    assert "sorted" not in problems
    assert not any(problems.values())


def test_a_list_that_is_not_ordered_fails_when_its_scores_are_no_numbers() -> None:
    nan = float("nan")
    problems = list_problems(_USER, ["a", "b", "c"], [0.9, nan, 0.8], 3, set(), ordered=False)
    assert [check for check, found in problems.items() if found] == ["finite scores"]


def test_one_check_fails_when_a_filtered_item_is_listed() -> None:
    forbidden = frozenset({"b", "x"})
    problems = list_problems(_USER, ["a", "b", "c"], [0.9, 0.8, 0.7], 3, set(), forbidden)
    assert {check: found for check, found in problems.items() if found} == {
        "nothing filtered": ["user 'u' gets 'b', which the filters keep out"]
    }


def test_checks_tell_the_first_problems_when_there_are_many() -> None:
    result = CanaryResult()
    result.note("fine", [])
    result.note("bad", ["p1", "p2"])
    result.note("bad", ["p3", "p4", "p5"])
    checks = result.checks()
    assert checks == [Check("fine", True, ""), Check("bad", False, "p1; p2; p3; and 2 more")]
    assert report_checks(checks[:1]) == [{"name": "fine", "passed": True, "message": ""}]


def test_latency_is_summed_up_when_measured() -> None:
    # Of 0, 1 ... 100 ms, the median is 50, and 95 % are at most 95.
    result = CanaryResult(latencies_ms=[float(ms) for ms in range(101)])
    assert result.latency() == {"count": 101, "p50_ms": 50.0, "p95_ms": 95.0, "max_ms": 100.0}
    assert CanaryResult().latency() == {"count": 0}


def test_data_is_read_when_splits_are_there(tmp_path: Path) -> None:
    users = [{"user_id": [b"u%d" % n], "seen_item_id": [b"i1", b"i2"][:n]} for n in range(3)]
    _write_split(tmp_path, "users", users)
    _write_split(tmp_path, "queries", [{"user_id": [b"u1"]}] * 5)
    _write_split(tmp_path, "items", [{"item_id": [b"i1"]}, {"item_id": [b"i2"]}])
    data = read_canary_data(tmp_path, 2, 10)
    assert data.users == [CanaryUser("u0", frozenset()), CanaryUser("u1", frozenset({"i1"}))]
    assert data.item_ids == ["i1", "i2"]
    # One query a row of a probe.
    assert [tf.train.Example.FromString(q).features.feature for q in data.queries] == [
        tf.train.Example.FromString(data.queries[0]).features.feature
    ] * 2


def test_enough_items_are_read_when_a_history_is_long(tmp_path: Path) -> None:
    seen = [b"i%d" % number for number in range(7)]
    _write_split(tmp_path, "users", [{"user_id": [b"u"], "seen_item_id": seen}])
    _write_split(tmp_path, "items", [{"item_id": [b"i%d" % number]} for number in range(20)])
    # Of the first 3 + 7 items the user cannot have seen more than 7: a list of 3 must be full.
    assert read_canary_data(tmp_path, 1, 3).item_ids == [f"i{number}" for number in range(10)]


def _flagged_catalogue(folder: Path, number: int) -> None:
    """Writes items i0, i1 ..., of which the odd ones are marked."""
    items = [
        {"item_id": [b"i%d" % n], "item_flag": [b"adult"] if n % 2 else []} for n in range(number)
    ]
    _write_split(folder, "items", items)


def test_items_that_the_filters_keep_out_are_told_apart_when_there_are_filters(
    tmp_path: Path,
) -> None:
    _flagged_catalogue(tmp_path, 5)
    data = read_canary_data(tmp_path, 1, 10, _FLAGGED)
    assert (data.item_ids, data.filtered) == (["i0", "i2", "i4"], frozenset({"i1", "i3"}))


def test_every_filtered_item_is_known_when_few_others_are_enough(tmp_path: Path) -> None:
    _flagged_catalogue(tmp_path, 20)
    data = read_canary_data(tmp_path, 1, 2, _FLAGGED)
    # Two items are enough for a list of two that nobody has seen anything of; that none of the ten
    # odd items is listed can be said of all.
    assert data.item_ids == ["i0", "i2"]
    assert len(data.filtered) == 10


def test_short_list_is_full_when_filters_keep_the_rest_out(tmp_path: Path) -> None:
    _flagged_catalogue(tmp_path, 3)
    data = read_canary_data(tmp_path, 1, 3, _FLAGGED)
    # Of i0, i1 and i2 the filters keep i1 out.
    answer = list_problems(
        _USER, ["i0", "i2", ""], [0.9, 0.8, 0.0], 3, set(data.item_ids), data.filtered
    )
    assert not any(answer.values())


@pytest.mark.parametrize(
    ("reranking", "ordered"),
    [
        (RerankingOptions(), True),
        (RerankingOptions(freshness=0.5, popularity_penalty=0.5), True),
        (RerankingOptions(diversity=0.1), False),
        (RerankingOptions(category_cap=2), False),
    ],
)
def test_order_is_expected_when_only_scores_make_it(
    tmp_path: Path, reranking: RerankingOptions, ordered: bool
) -> None:
    assert read_canary_data(tmp_path, 1, 10, reranking).ordered is ordered


def test_data_is_empty_when_splits_are_missing(tmp_path: Path) -> None:
    data = read_canary_data(tmp_path, 2, 10)
    assert (data.users, data.queries, data.item_ids) == ([], [], [])
    assert data.filtered == frozenset()
