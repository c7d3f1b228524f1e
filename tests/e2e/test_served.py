"""What comes over gRPC from what was pushed."""

import csv

import pytest

LIMIT = "500"  # serving.max_k


@pytest.fixture(scope="module")
def movies(small_data):
    with (small_data / "movies.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def catalogue(movies):
    return {row["movieId"]: row["title"] for row in movies}


def test_needs_nothing_of_this_project_when_it_asks(answers):
    assert answers["ours"] == []


@pytest.mark.parametrize("who", ["known", "unknown", "empty"])
def test_answers_with_a_full_list_when_asked_for_a_user(answers, catalogue, who):
    (items,), (scores,) = answers[who]["item_id"], answers[who]["score"]
    assert len(set(items)) == 10
    assert set(items) <= set(catalogue)
    assert scores == sorted(scores, reverse=True)
    assert all(answers[who]["source"][0])


def test_answers_each_row_when_users_come_in_a_batch(answers):
    assert [len(row) for row in answers["batch"]["item_id"]] == [3, 3, 3]
    assert answers["batch"]["item_id"][0] == answers["known"]["item_id"][0][:3]
    assert answers["batch"]["item_id"][2] == answers["unknown"]["item_id"][0][:3]


def test_leaves_out_what_the_user_has_seen_when_it_recommends(answers, small_data):
    with (small_data / "ratings.csv").open(encoding="utf-8", newline="") as file:
        seen = {row["movieId"] for row in csv.DictReader(file) if row["userId"] == "1"}
    assert seen
    assert seen & set(answers["known"]["item_id"][0]) == set()


@pytest.mark.parametrize("how", ["zero", "too_many"])
def test_names_the_limit_when_k_is_out_of_range(answers, how):
    assert answers[how]["code"] == "INVALID_ARGUMENT"
    assert LIMIT in answers[how]["details"]
    assert {"zero": "0", "too_many": "100000"}[how] in answers[how]["details"]


def test_is_refused_when_the_signature_is_unknown(answers):
    assert answers["no_signature"]["code"] in {"FAILED_PRECONDITION", "INVALID_ARGUMENT"}
    assert "paint" in answers["no_signature"]["details"]


def test_prints_a_table_for_each_user_when_asked_to_recommend(marquee, target, answers, catalogue):
    done = marquee("recommend", "--user", "1", "--user", "nobody", "--k", "10", "--target", target)
    assert (done.code, done.err) == (0, "")
    first, second = done.out.split("For user nobody ")
    assert first.startswith("For user 1 ")
    for table, who in ((first, "known"), (second, "unknown")):
        titles = [catalogue[item] for item in answers[who]["item_id"][0]]
        assert [title for title in titles if title not in table] == []
        assert "┃ source " in table


def test_keeps_to_what_the_request_says_when_a_stranger_asks(marquee, target, movies):
    first, second, third = movies[:3]
    unwanted = third["genres"].split("|")[0]
    context = ["--history", f"{first['movieId']},{second['movieId']}", "--diversity", "0.3"]
    context += ["--freshness", "0.2", "--exclude-category", unwanted]
    done = marquee("recommend", "--user", "nobody", *context, "--k", "10", "--target", target)
    assert (done.code, done.err) == (0, "")
    rows = [line.split("│")[1:-1] for line in done.out.splitlines() if line.startswith("│")]
    by_id = {row["movieId"]: row for row in movies}
    assert len({row[1].strip() for row in rows}) == 10
    assert {row[1].strip() for row in rows} <= by_id.keys() - {first["movieId"], second["movieId"]}
    assert all(unwanted not in by_id[row[1].strip()]["genres"].split("|") for row in rows)
    # A history is something to go by: more than popularity speaks.
    sources = {row[-1].strip() for row in rows}
    assert "" not in sources
    assert sources - {"popular", "fresh"}


def test_prints_a_table_when_asked_for_similar_items(marquee, target, catalogue):
    item, title = next(iter(catalogue.items()))
    done = marquee("similar", "--item", item, "--k", "5", "--target", target)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Like {title}")
    shown = [other for other in catalogue.values() if f" {other} " in done.out.partition("\n")[2]]
    assert len(shown) == 5
    assert title not in shown


def test_ends_with_2_and_the_limit_when_asked_for_too_many(marquee, target):
    done = marquee("recommend", "--user", "1", "--k", "100000", "--target", target)
    assert done.code == 2
    assert LIMIT in done.one_line()


def test_ends_with_1_and_one_line_when_no_server_is_there(marquee):
    done = marquee("recommend", "--user", "1", "--target", "127.0.0.1:1")
    assert done.code == 1
    assert "No server at 127.0.0.1:1; start one with marquee serve" in done.one_line()


def test_ends_with_2_and_one_line_when_there_is_no_model_to_serve(marquee, tmp_path):
    done = marquee("serve", "--model-dir", str(tmp_path / "none"), "--port", "0")
    assert done.code == 2
    assert str(tmp_path / "none") in done.one_line()
