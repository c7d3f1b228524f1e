"""What the configuration keeps out of every list, and the strengths that it gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CATALOGUE = [f"i{item:02d}".encode() for item in range(40)]
# Items 3, 13, 23 and 33 are flagged. An item's age is 100 days times its distance from the last;
# 0, 7, 14 ... have none and pass: 1, 2 and 4 are 3800, 3700 and 3500 days old, 36, 37, 38 and 39
# are 300, 200, 100 and 0.
KEPT_OUT = {b"i03", b"i13", b"i23", b"i33", b"i01", b"i02", b"i37", b"i38", b"i39"}
DIVERSITY, FRESHNESS = 0.5, 0.25


@pytest.fixture(scope="module")
def strict(build: Callable[..., Any]) -> Any:
    return build(
        "brute_force",
        diversity=DIVERSITY,
        freshness=FRESHNESS,
        exclude_flags=("withdrawn",),
        min_age_days=250.0,
        max_age_days=3600.0,
    )


@pytest.mark.parametrize("signature", ["recommend", "retrieve"])
def test_nothing_else_is_left_out_when_filters_are_configured(strict: Any, signature: str) -> None:
    found = strict.ask(signature, user_id=[b"u00", b"u01", b"nobody"], k=50)
    for row, seen in enumerate((strict.seen_by(0), strict.seen_by(1), set())):
        expected = set(CATALOGUE) - KEPT_OUT - seen
        assert set(found["item_id"][row]) - {b""} == expected
        # All padding comes last.
        assert found["item_id"][row].tolist()[len(expected) :] == [b""] * (50 - len(expected))


def test_filters_hold_for_related_items_when_they_are_configured(strict: Any) -> None:
    # A flagged item may be asked about; 40 are more than the 31 that are left.
    found = strict.ask("similar_items", item_id=[b"i10", b"i03"], k=40)["item_id"]
    allowed = set(CATALOGUE) - KEPT_OUT
    assert set(found[0]) - {b""} == allowed - {b"i10"}
    assert set(found[1]) - {b""} == allowed
    # Few are looked up, many are searched for: both say the same.
    few = strict.ask("similar_items", item_id=[b"i10", b"i03"], k=7)["item_id"]
    assert few.tolist() == found[:, :7].tolist()


def test_filters_hold_for_lists_with_context_when_they_are_configured(strict: Any) -> None:
    found = strict.ask_with_context(
        b"nobody", 40, history_item_id=[[b"i03", b"i05"]], exclude_category=[[b"even"]]
    )
    allowed = set(CATALOGUE[1::2]) - KEPT_OUT - {b"i05"}
    assert set(found["item_id"][0]) - {b""} == allowed


def test_configured_strengths_hold_when_a_request_names_none(strict: Any) -> None:
    plain = strict.ask("recommend", user_id=[b"u06"], k=20)
    default = strict.ask_with_context(b"u06", 20, diversity=[-1.0], freshness=[-1.0])
    named = strict.ask_with_context(b"u06", 20, diversity=[DIVERSITY], freshness=[FRESHNESS])
    none = strict.ask_with_context(b"u06", 20)
    listed = plain["item_id"].tolist()
    assert default["item_id"].tolist() == named["item_id"].tolist() == listed
    assert none["item_id"].tolist() != listed


def test_index_holds_all_that_may_be_shown_when_filters_are_configured(strict: Any) -> None:
    assert strict.report.items == 40
    assert strict.report.index_recall == pytest.approx(1.0)
    assert Path(strict.path, "assets.extra", "tf_serving_warmup_requests").is_file()
