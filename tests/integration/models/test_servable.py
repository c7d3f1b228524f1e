"""The servable, built from a trained model and loaded again, through each of its signatures."""

from typing import Any

import numpy as np
import pytest

CATALOGUE = [f"i{item:02d}".encode() for item in range(40)]
EVEN, ODD = CATALOGUE[::2], CATALOGUE[1::2]
GENERATORS = [
    "two_tower",
    "ease",
    "weighted_factorization",
    "neighbours",
    "categories",
    "attributes",
    "fresh",
    "popular",
]


def test_report_counts_what_was_built(built: Any) -> None:
    assert (built.report.items, built.report.users) == (40, 21)
    assert built.report.embedding_dimension == 8
    assert built.report.retrieval == "two_tower"
    assert built.report.generators == GENERATORS
    # Both kinds score a catalogue of 40 exactly.
    assert built.report.index_recall == pytest.approx(1.0)


@pytest.mark.parametrize("k", [1, 7, 100])
def test_lists_are_exactly_the_unseen_items_when_users_are_known(built: Any, k: int) -> None:
    found = built.ask("recommend", user_id=[b"u00", b"u01"], k=k)
    for user, (ids, scores, sources) in enumerate(
        zip(found["item_id"], found["score"], found["source"], strict=True)
    ):
        unseen = set(CATALOGUE) - built.seen_by(user)
        assert len(unseen) == 24  # 40 items less 12 known and 4 later choices
        number = min(k, 24)
        assert set(ids[:number]) <= unseen
        assert len(set(ids[:number])) == number
        assert (np.diff(scores[:number]) <= 0).all()
        assert {source.decode() for source in sources[:number]} <= set(GENERATORS)
        assert sources[number:].tolist() == [b""] * (k - number)
        # What the catalogue lacks is padded with "" and 0.
        assert ids[number:].tolist() == [b""] * (k - number)
        assert not scores[number:].any()


def test_default_signature_is_recommend_when_called(built: Any) -> None:
    inputs = {"user_id": [b"u03", b"nobody"], "k": 12}
    named, default = built.ask("recommend", **inputs), built.ask("serving_default", **inputs)
    for name, value in named.items():
        np.testing.assert_array_equal(value, default[name])


@pytest.mark.parametrize("user", [b"nobody", b"", "\u00fc".encode()])
def test_list_is_what_is_popular_or_fresh_when_user_is_unknown(built: Any, user: bytes) -> None:
    found = built.ask("recommend", user_id=[b"u00", user], k=40)
    counts = [built.counts()[item] for item in found["item_id"][1]]
    assert set(found["item_id"][1]) == set(CATALOGUE)
    sources = found["source"][1].tolist()
    popular = [count for count, source in zip(counts, sources, strict=True) if source == b"popular"]
    fresh = [count for count, source in zip(counts, sources, strict=True) if source == b"fresh"]
    assert len(popular) + len(fresh) == 40
    assert popular == sorted(popular, reverse=True)
    # The first nine turns are of what is popular.
    assert sources[:9] == [b"popular"] * 9
    # Items count as fresh up to 5 interactions.
    assert fresh
    assert max(fresh) <= 5.0
    # A known user in the same batch keeps the list of their own.
    alone = built.ask("recommend", user_id=[b"u00"], k=40)
    assert found["item_id"][0].tolist() == alone["item_id"][0].tolist()


def test_list_has_the_stated_categories_first_when_nothing_else_is_known(built: Any) -> None:
    # User 20 has no history, and says to like what is odd.
    found = built.ask("recommend", user_id=[b"u20"], k=10)
    listed, sources = found["item_id"][0].tolist(), found["source"][0].tolist()
    assert sources[0] == b"categories"
    stated = {item for item, by in zip(listed, sources, strict=True) if by == b"categories"}
    assert stated <= set(ODD)
    # Its lists take turns with what is popular; an item of both goes to the category.
    assert len(stated) >= 5
    assert listed != built.ask("recommend", user_id=[b"nobody"], k=10)["item_id"][0].tolist()


def test_candidates_are_what_is_recommended_when_retrieved(built: Any) -> None:
    inputs = {"user_id": [b"u07", b"nobody"], "k": 40}
    candidates, ranked = built.ask("retrieve", **inputs), built.ask("recommend", **inputs)
    for row in range(2):
        assert set(candidates["item_id"][row]) == set(ranked["item_id"][row])
        # Ranking reorders, and leaves each item to the generator which came first with it.
        by_item = [
            dict(zip(found["item_id"][row], found["source"][row], strict=True))
            for found in (candidates, ranked)
        ]
        assert by_item[0] == by_item[1]
    # The known user's last 16 places are padding.
    assert candidates["item_id"][0, 24:].tolist() == [b""] * 16
    assert not candidates["score"][0, 24:].any()


def test_score_is_that_of_the_generator_when_retrieved(built: Any) -> None:
    found = built.ask("retrieve", user_id=[b"u07"], k=24)
    user = built.ask("embed_users", user_id=[b"u07"])["embedding"][0]
    items = built.ask("embed_items", item_id=found["item_id"][0])["embedding"]
    main = found["source"][0] == b"two_tower"
    assert main.any()
    np.testing.assert_allclose(found["score"][0][main], (items @ user)[main], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("item", "own", "others"), [(38, EVEN, ODD), (39, ODD, EVEN)])
def test_item_without_interactions_is_reached_by_its_content(
    built: Any, item: int, own: list[bytes], others: list[bytes]
) -> None:
    new = CATALOGUE[item]
    assert built.counts()[new] == 0.0
    # The main family puts it nearer to those who like its category ...
    users = [[b"u%02d" % user for user in range(parity, 20, 2)] for parity in (0, 1)]
    liking, rest = users if item % 2 == 0 else users[::-1]
    vector = built.ask("embed_items", item_id=[new])["embedding"][0]
    logit_of = [built.ask("embed_users", user_id=of)["embedding"] @ vector for of in (liking, rest)]
    assert logit_of[0].mean() > logit_of[1].mean()
    # ... it can be a candidate of all of them ...
    for user in liking[:2]:
        assert new in built.ask("retrieve", user_id=[user], k=40)["item_id"][0]
    # ... and is related to items of the category, in both directions.
    related = built.ask("similar_items", item_id=[new], k=10)["item_id"][0].tolist()
    assert len(set(related) & set(own)) > len(set(related) & set(others))
    near = built.ask("similar_items", item_id=own[:5] + others[:5], k=39)["item_id"]
    places = [row.tolist().index(new) for row in near]
    assert np.mean(places[:5]) < np.mean(places[5:])


def test_score_is_that_of_the_list_when_its_items_are_ranked(built: Any) -> None:
    listed = built.ask("recommend", user_id=[b"u02"], k=6)
    items = [[*listed["item_id"][0], b"unknown", b""]]
    found = built.ask("rank", user_id=[b"u02"], item_id=items)
    np.testing.assert_allclose(found["score"][0, :6], listed["score"][0], rtol=1e-4, atol=1e-5)
    # An item outside the catalogue comes last and has no rating.
    assert (found["score"][0, 6:] < found["score"][0, :6].min()).all()
    assert found["predicted_rating"][0, 6:].tolist() == [0.0, 0.0]
    # Ratings from 3 to 5 were learned from, out of a range from 1 to 5.
    assert ((found["predicted_rating"][0, :6] > 2) & (found["predicted_rating"][0, :6] <= 5)).all()


def test_neighbours_are_exact_when_similar_items_are_asked(built: Any) -> None:
    vectors = built.ask("embed_items", item_id=CATALOGUE)["embedding"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    cosines = vectors[9] @ vectors.T
    cosines[9] = -2.0  # itself is left out
    found = built.ask("similar_items", item_id=[b"i09", b"unknown"], k=5)
    np.testing.assert_allclose(found["score"][0], np.sort(cosines)[::-1][:5], rtol=1e-4, atol=1e-5)
    assert b"i09" not in found["item_id"][0]
    assert found["item_id"][1].tolist() == [b""] * 5
    everything = built.ask("similar_items", item_id=[b"i09"], k=100)["item_id"][0]
    assert set(everything) == set(CATALOGUE) - {b"i09"} | {b""}


def test_vectors_are_unit_and_zero_when_embedded(built: Any) -> None:
    users = built.ask("embed_users", user_id=[b"u00", b"nobody", b""])["embedding"]
    np.testing.assert_allclose(np.linalg.norm(users, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(users[1], users[2])
    items = built.ask("embed_items", item_id=[b"i00", b"unknown"])["embedding"]
    assert not items[1].any()


def test_titles_and_categories_are_returned_when_items_are_described(built: Any) -> None:
    found = built.ask("describe_items", item_id=[b"i07", b"unknown", b"i00"])
    assert [title.decode() for title in found["title"]] == [
        "Title 7, \u00e9",
        "",
        "Title 0, \u00e9",
    ]
    assert found["category"].tolist() == [[b"odd"], [b""], [b"even"]]
