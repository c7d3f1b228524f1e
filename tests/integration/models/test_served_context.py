"""Lists that know what a request says: its history, its exclusions, its strengths."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CATALOGUE = [f"i{item:02d}".encode() for item in range(40)]
EVEN = set(CATALOGUE[::2])
DEFAULT = -1.0  # a strength that leaves it to the configuration


def parities(items: Any) -> list[int]:
    """Of items by their ids, padding left out: 0 for the category even."""
    return [int(item[1:]) % 2 for item in items if item]


def test_item_counts_once_when_the_stored_history_is_sent_again(built: Any) -> None:
    newest = built.world.raw["users"][0]["seen_item_id"][:3]
    found = built.ask_with_context(b"u00", 24, history_item_id=[[*newest, *newest]])
    plain = built.ask("recommend", user_id=[b"u00"], k=24)
    assert found["item_id"].tolist() == plain["item_id"].tolist()


def test_list_follows_the_taste_when_only_the_request_has_a_history(built: Any) -> None:
    without = built.ask("recommend", user_id=[b"nobody"], k=10)["item_id"][0].tolist()
    for parity in (0, 1):
        history = [CATALOGUE[item] for item in (parity, parity + 2, parity + 4, parity + 6)]
        found = built.ask_with_context(b"nobody", 10, history_item_id=[history])
        listed = found["item_id"][0].tolist()
        assert parities(listed).count(parity) >= 8
        assert not set(history) & set(listed)
        assert listed != without


def test_history_may_repeat_and_name_unknown_items_when_requested(built: Any) -> None:
    clean, messy, doubled = (
        built.ask_with_context(b"u00", 24, history_item_id=[history])["item_id"][0].tolist()
        for history in (
            [b"i01", b"i03"],
            [b"", b"what", b"i01", b"", b"i03"],
            [b"i01", b"i01", b"i01", b"i03"],
        )
    )
    assert clean == messy == doubled
    # u00 had 24 unseen ones, i01 and i03 (of the other taste) among them.
    assert set(clean) - {b""} == set(CATALOGUE) - built.seen_by(0) - {b"i01", b"i03"}


@pytest.mark.parametrize("user", [b"u00", b"nobody"])
def test_excluded_are_never_listed_when_requested(built: Any, user: bytes) -> None:
    excluded = [CATALOGUE[1], CATALOGUE[38], b"unknown", CATALOGUE[1], b""]
    found = built.ask_with_context(
        user, 40, exclude_item_id=[excluded], exclude_category=[[b"even"]]
    )
    listed = set(found["item_id"][0]) - {b""}
    seen = built.seen_by(0) if user == b"u00" else set()
    assert listed == set(CATALOGUE) - EVEN - {CATALOGUE[1]} - seen
    # Everything else is padding, of the source too.
    assert found["source"][0].tolist().count(b"") == 40 - len(listed)


def test_exclusions_hold_for_their_own_row_when_batched(built: Any) -> None:
    found = built.ask(
        "recommend_with_context",
        user_id=[b"u00", b"nobody", b"u01"],
        k=40,
        history_item_id=[[b""], [b"i05"], [b""]],
        exclude_item_id=[[b"i39"], [b""], [b"i38"]],
        exclude_category=[[b""], [b"odd"], [b"no such category"]],
        diversity=[0.0] * 3,
        freshness=[1.0] * 3,
    )
    listed = [set(row) - {b""} for row in found["item_id"]]
    assert listed[0] == set(CATALOGUE) - built.seen_by(0) - {b"i39"}
    assert listed[1] == EVEN
    assert listed[2] == set(CATALOGUE) - built.seen_by(1) - {b"i38"}


def test_context_changes_nothing_when_it_is_empty(built: Any) -> None:
    plain = built.ask("recommend", user_id=[b"u04"], k=24)
    found = built.ask_with_context(b"u04", 24)
    assert found["item_id"].tolist() == plain["item_id"].tolist()
    no_columns = dict.fromkeys(
        ("history_item_id", "exclude_item_id", "exclude_category"),
        np.zeros([1, 0], dtype=np.str_),
    )
    found = built.ask_with_context(b"u04", 24, **no_columns)
    assert found["item_id"].tolist() == plain["item_id"].tolist()


def test_list_is_the_rankers_when_no_strength_is_asked_for(built: Any) -> None:
    found = built.ask_with_context(b"u02", 24)
    listed = found["item_id"][0]
    scores = built.ask("rank", user_id=[b"u02"], item_id=[listed])["score"][0]
    np.testing.assert_allclose(found["score"][0], scores, rtol=1e-4, atol=1e-5)
    assert (np.diff(found["score"][0]) <= 0.0).all()


@pytest.mark.parametrize("user", [0, 2, 3, 11])
def test_categories_mix_when_diversity_is_asked_for(built: Any, user: int) -> None:
    name = b"u%02d" % user
    plain, diverse = (
        built.ask_with_context(name, 24, diversity=[strength])["item_id"][0]
        for strength in (0.0, 1.0)
    )
    # The same items, the best of them first in both.
    assert set(plain) == set(diverse)
    assert plain[0] == diverse[0]
    assert distance(built, diverse[:10]) > distance(built, plain[:10])
    # The item least like the first is of the other category.
    first, second = parities(diverse[:2])
    assert first != second


def distance(built: Any, items: Any) -> float:
    """Mean cosine distance of the pairs of a list."""
    vectors = built.ask("embed_items", item_id=items)["embedding"]
    cosines = (vectors @ vectors.T)[np.triu_indices(len(items), 1)]
    return float(1.0 - cosines.mean())


def test_young_item_moves_up_when_freshness_is_asked_for(built: Any) -> None:
    # Item 39 is of the day, item 38 of 100 days, all others of known age are older.
    places = [
        built.ask_with_context(b"u02", 24, freshness=[strength])["item_id"][0]
        .tolist()
        .index(b"i39")
        for strength in (0.0, 0.5, 1.0)
    ]
    assert places == sorted(places, reverse=True)
    assert places[0] > places[2]


def test_score_of_an_old_item_stays_when_freshness_is_asked_for(built: Any) -> None:
    plain, fresh = (
        built.ask_with_context(b"u02", 24, freshness=[strength]) for strength in (0.0, 1.0)
    )
    before, after = (
        dict(zip(found["item_id"][0], found["score"][0], strict=True)) for found in (plain, fresh)
    )
    assert after[b"i39"] > before[b"i39"]
    # Item 6 is 3300 days old, 36 half-lives of 90 days; of item 14 the age is not known.
    for item in (b"i06", b"i14"):
        assert after[item] == pytest.approx(before[item], abs=1e-5)


def test_strengths_hold_for_their_own_row_when_batched(built: Any) -> None:
    nothing = [[b""]] * 3
    strengths = [[0.0, 1.0, DEFAULT], [1.0, 0.0, DEFAULT]]
    together = built.ask(
        "recommend_with_context",
        user_id=[b"u02"] * 3,
        k=24,
        history_item_id=nothing,
        exclude_item_id=nothing,
        exclude_category=nothing,
        diversity=strengths[0],
        freshness=strengths[1],
    )["item_id"]
    for row, (diversity, freshness) in enumerate(zip(*strengths, strict=True)):
        alone = built.ask_with_context(b"u02", 24, diversity=[diversity], freshness=[freshness])
        assert together[row].tolist() == alone["item_id"][0].tolist()


ids = st.sampled_from([*CATALOGUE, b"", b"unknown"])
strength = st.sampled_from([DEFAULT, 0.0, 0.5, 1.0])
request_rows = st.tuples(
    st.sampled_from([*(b"u%02d" % user for user in range(21)), b"nobody", b""]),
    st.lists(ids, max_size=12),
    st.lists(ids, max_size=30),
    st.lists(st.sampled_from([b"even", b"odd", b"", b"none"]), max_size=2),
    strength,
    strength,
)


def padded(lists: Any) -> Any:
    width = max(len(values) for values in lists)
    rows = [values + [b""] * (width - len(values)) for values in lists]
    return np.array(rows, dtype=object).reshape(len(rows), width)


# Some 3,000 requests; drawing them is what takes long, and no fault of the data.
@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(request_rows, min_size=1, max_size=10), k=st.integers(1, 45))
def test_rules_hold_when_requests_are_random(built: Any, rows: Any, k: int) -> None:
    users, histories, excluded, categories, diversity, freshness = zip(*rows, strict=True)
    found = built.ask(
        "recommend_with_context",
        user_id=users,
        k=k,
        history_item_id=padded(histories).astype(np.bytes_),
        exclude_item_id=padded(excluded).astype(np.bytes_),
        exclude_category=padded(categories).astype(np.bytes_),
        diversity=np.float32(diversity),
        freshness=np.float32(freshness),
    )
    for row, user in enumerate(users):
        allowed = set(CATALOGUE) - set(histories[row]) - set(excluded[row])
        allowed -= built.seen_by(int(user[1:])) if user.startswith(b"u") else set()
        allowed -= EVEN if b"even" in categories[row] else set()
        allowed -= set(CATALOGUE) - EVEN if b"odd" in categories[row] else set()
        number = min(k, len(allowed))
        listed = found["item_id"][row].tolist()
        assert set(listed[:number]) <= allowed
        assert len(set(listed[:number])) == number
        assert listed[number:] == [b""] * (k - number)
        assert np.isfinite(found["score"][row]).all()
        assert not found["score"][row][number:].any()
        assert set(found["source"][row][:number]) <= {s.encode() for s in built.report.generators}
        assert found["source"][row].tolist()[number:] == [b""] * (k - number)
