import gzip
import json

import pytest

from components.errors import DataError
from models.progress import PROGRESS_LOGGER

SPLITS = ["train", "late", "eval", "ranking", "queries", "users", "items"]


def test_every_split_is_written_when_the_data_is_clean(generate, data_options):
    examples, rejected = generate(data_options())
    # Held out: u's c (after b by line) and d, v's a; floor(0.5 * 1) = 0 of w.
    pairs = {
        split: sorted((e["user_id"][0], e["item_id"][0]) for e in examples[split])
        for split in ("train", "late", "eval")
    }
    # Late: u's b, half of two; floor(0.5 * 1) = 0 of v and w.
    assert pairs == {
        "train": [("u", "a"), ("v", "b"), ("w", "a")],
        "late": [("u", "b")],
        "eval": [("u", "c"), ("u", "d"), ("v", "a")],
    }
    queries = {query["user_id"][0]: query for query in examples["queries"]}
    assert {user: query["chosen_item_id"] for user, query in queries.items()} == {
        "u": ["c", "d"],
        "v": ["a"],
    }
    assert queries["u"]["seen_item_id"] == ["b", "a"]
    (ranking,) = examples["ranking"]
    assert (ranking["user_id"], ranking["seen_item_id"]) == (["u"], ["a"])
    assert (ranking["chosen_item_id"], ranking["chosen_rating"]) == (["b"], [2.0])
    assert sorted(user["user_id"][0] for user in examples["users"]) == ["u", "v", "w"]
    # Training: u has 2 interactions, v and w 1 each: one third of 1 1 2 is 1, two thirds 2.
    assert (queries["u"]["user_activity"], queries["v"]["user_activity"]) == (["high"], ["medium"])
    counts = {item["item_id"][0]: item["item_interaction_count"] for item in examples["items"]}
    assert counts == {"a": [2.0], "b": [2.0], "c": [0.0], "d": [0.0]}
    titles = {item["item_title"][0] for item in examples["items"]}
    assert titles == {"A", "B", "C", "D"}
    assert json.loads((rejected / "summary.json").read_text()) == {
        "rows_read": 7,
        "rows_accepted": 7,
        "rows_rejected": {},
        "profile_rows_read": 0,
        "profile_rows_rejected": {},
        "users": 3,
        "items": 4,
        "examples": {
            "train": 3,
            "late": 1,
            "eval": 3,
            "ranking": 1,
            "queries": 2,
            "users": 3,
        },
        "first_timestamp": 1,
        "last_timestamp": 9,
    }
    assert not (rejected / "staging").exists()


def test_the_latest_is_kept_and_the_row_is_shown_when_a_pair_comes_twice(
    generate, data_options, interactions
):
    log = interactions + '"v","b",5,7\r\n'
    examples, rejected = generate(data_options(), log)
    assert sum(len(examples[split]) for split in ("train", "late", "eval")) == 7
    lines = (rejected / "rejected.csv").read_text().splitlines()
    # The earlier one, at second 3, stands on line 4.
    assert lines == ["reason,file,line,row", 'duplicate,log.csv,4,"v,b,4,3"']


def test_files_are_read_as_one_log_when_the_pattern_matches_several(
    generate, data_options, interactions
):
    rows = interactions.splitlines(keepends=True)
    logs = {"log1.csv": "".join(rows[:4]), "log2.csv": rows[0] + "".join(rows[4:])}
    examples, _ = generate(data_options(), logs)
    assert {split: len(examples[split]) for split in SPLITS} == {
        "train": 3,
        "late": 1,
        "eval": 3,
        "ranking": 1,
        "queries": 2,
        "users": 3,
        "items": 4,
    }


def test_there_are_no_ratings_titles_or_categories_when_the_data_has_none(
    generate, data_options, interactions
):
    settings = data_options(
        interactions__columns={"user": "who", "item": "what", "timestamp": "when"},
        interactions__feedback="implicit",
        catalogue__columns={"item": "id"},
    )
    log = "".join(
        ",".join(row.split(",")[:2] + row.split(",")[3:]) for row in interactions.splitlines(True)
    )
    examples, _ = generate(settings, log, "id\na\nb\nc\nd\n")
    found = {name for split in SPLITS for example in examples[split] for name in example}
    assert not {name for name in found if "rating" in name or "category" in name}
    found = {name for item in examples["items"] for name in item}
    assert found == {"item_id", "item_interaction_count", "item_age_days"}
    assert len(examples["queries"]) == 2


def test_a_user_without_a_train_part_has_no_query_when_split_by_global_time(generate, data_options):
    examples, _ = generate(data_options(split__strategy="global_time", split__eval_fraction=0.4))
    # Sorted times 1 2 2 3 5 8 9; 0.4 * 7 = 2.8, rounded, are held out: later than 3 is eval.
    # Late: later than 2, the second of 1 2 2 3.
    assert [(e["user_id"], e["item_id"]) for e in examples["late"]] == [(["v"], ["b"])]
    pairs = sorted((e["user_id"][0], e["item_id"][0]) for e in examples["eval"])
    assert pairs == [("u", "d"), ("v", "a"), ("w", "a")]
    assert sorted(query["user_id"][0] for query in examples["queries"]) == ["u", "v"]
    assert len(examples["users"]) == 3
    # v has nothing in train, the others nothing late.
    assert examples["ranking"] == []


def test_the_run_stops_and_names_the_row_when_one_is_bad_and_none_is_allowed(
    generate, data_options, tmp_path, interactions
):
    with pytest.raises(DataError, match=r"First: log\.csv:9 unknown_item\. All: \S+rejected\.csv"):
        generate(data_options(), interactions + "u,zzz,1,1\n")
    assert (tmp_path / "rejected-refused" / "rejected.csv").exists()
    assert not (tmp_path / "rejected" / "staging").exists()


def test_the_run_goes_on_when_bad_rows_are_few_enough(generate, data_options, interactions):
    # 1 of 8 rows is 12.5 %.
    examples, rejected = generate(
        data_options(max_rejected_fraction=0.125), "\ufeff" + interactions + "u,zzz,1,1\n"
    )
    assert len(examples["train"] + examples["late"]) == 4
    assert json.loads((rejected / "counts.json").read_text()) == {"unknown_item": 1}


def test_an_error_says_so_when_the_split_leaves_nobody_to_evaluate_on(generate, data_options):
    with pytest.raises(DataError, match=r"Found none among 1 users with .* time_per_user"):
        generate(data_options(), "who,what,stars,when\nu,a,1,1\n")


def test_an_error_names_the_column_when_it_is_missing(generate, data_options):
    with pytest.raises(DataError, match=r"expected a column 'when'. Found: who, what, stars"):
        generate(data_options(), "who,what,stars\nu,a,1\n")


def test_files_are_the_same_when_the_data_is_read_again(generate, data_options, tmp_path):
    def contents() -> list[bytes]:
        files = sorted((tmp_path / "examples").rglob("*.gz"))
        return [gzip.decompress(path.read_bytes()) for path in files]

    generate(data_options())
    first = contents()
    generate(data_options())
    assert contents() == first


def test_a_user_has_every_split_when_alone(generate, data_options):
    log = "who,what,stars,when\nu,a,1,1\nu,b,2,2\nu,c,2,3\nu,d,2,4\n"
    examples, _ = generate(data_options(), log)
    assert {split: len(examples[split]) for split in SPLITS} == {
        "train": 1,
        "late": 1,
        "eval": 2,
        "ranking": 1,
        "queries": 1,
        "users": 1,
        "items": 4,
    }
    # Every third of one user begins with that user.
    assert examples["queries"][0]["user_activity"] == ["high"]


def test_an_error_says_so_when_there_is_one_item_to_evaluate_on(generate, data_options):
    # Each user can have it once: either in train or in eval.
    with pytest.raises(DataError, match=r"Found none among 2 users"):
        generate(data_options(), "who,what,stars,when\nu,a,1,1\nv,a,2,2\n", "id,name,tags\na,A,x\n")


def test_interactions_see_nothing_of_each_other_when_all_have_one_timestamp(generate, data_options):
    log = "who,what,stars,when\n" + "".join(f"u,{item},4,7\n" for item in "abcd")
    examples, _ = generate(data_options(), log)
    # The last half by line is held out.
    assert [e["item_id"] for e in examples["eval"]] == [["c"], ["d"]]
    for example in examples["train"] + examples["late"] + examples["eval"]:
        assert example["user_interaction_count"] == [0.0]
        assert "history_item_id" not in example
    # As of the split, the query knows all of training, which stands first in the file.
    assert examples["queries"][0]["seen_item_id"] == ["b", "a"]


def test_an_error_says_so_when_all_have_one_timestamp_and_the_split_is_by_global_time(
    generate, data_options
):
    log = "who,what,stars,when\n" + "".join(f"u,{item},4,7\n" for item in "abcd")
    with pytest.raises(DataError, match="Found none among 1 users with .* global_time"):
        generate(data_options(split__strategy="global_time"), log)


def test_ids_come_through_unchanged_when_they_hold_all_but_line_breaks(generate, data_options):
    ids = ["two words", "a,b", 'say "hi"', "Zoë-東京-🎬", "x" * 300, " a", "0x", "a|b"]
    ids.append("a\u2028b")  # a line end to str.splitlines, not to TensorFlow
    quoted = ['"' + name.replace('"', '""') + '"' for name in ids]
    things = "id,name,tags\n" + "".join(f"{name},T,x\n" for name in quoted)
    log = "who,what,stars,when\n" + "".join(
        f"{user},{item},3,{second}\n"
        for user in quoted
        for second, item in enumerate(quoted, start=1)
    )
    examples, rejected = generate(data_options(), log, things)
    assert sorted(item["item_id"][0] for item in examples["items"]) == sorted(ids)
    assert sorted(user["user_id"][0] for user in examples["users"]) == sorted(ids)
    for user in examples["users"]:
        assert user["seen_item_id"] == ids[::-1]
    assert json.loads((rejected / "counts.json").read_text()) == {}


def test_rows_are_named_when_an_id_has_a_line_break(generate, data_options, interactions):
    # 1 of 8 rows is 12.5 %; the record takes lines 9 and 10.
    examples, rejected = generate(
        data_options(max_rejected_fraction=0.125), interactions + '"a\nb",a,1,1\n'
    )
    assert sorted(user["user_id"][0] for user in examples["users"]) == ["u", "v", "w"]
    assert (rejected / "rejected.csv").read_text() == (
        'reason,file,line,row\nline_break_in_id,log.csv,9,"""a\nb"",a,1,1"\n'
    )


def test_an_item_is_among_the_items_when_only_the_catalogue_knows_it(generate, data_options):
    examples, _ = generate(
        data_options(), things="id,name,tags\na,A,x\nb,B,y\nc,C,\nd,D,x\nonly,Only,z\n"
    )
    counts = {item["item_id"][0]: item["item_interaction_count"] for item in examples["items"]}
    assert counts["only"] == [0.0]


def test_what_is_done_is_told_when_it_takes_long(generate, data_options, caplog):
    with caplog.at_level("INFO", PROGRESS_LOGGER):
        generate(data_options())
    # 61 bytes of rows round to 0.0 MB.
    told = [r.getMessage() for r in caplog.records if r.name == PROGRESS_LOGGER]
    assert told == [
        "reading 1 file, 0.0 MB in 1 chunk",
        "reading 1 file, 0.0 MB in 1 chunk",
        "writing the examples of 3 users and 7 interactions",
    ]
