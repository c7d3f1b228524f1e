import gzip
import json
from pathlib import Path

import apache_beam as beam
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components import example_files
from components.catalog_example_gen import write_catalogue
from components.errors import DataError
from components.interaction_example_gen import write_interactions
from components.options import DataOptions
from models.progress import PROGRESS_LOGGER

CATALOGUE = "id,name,tags\na,A,x|y\nb,B,y\nc,C,\nd,D,x\n"
# u: a b c d, two of them at second 2. v: b a. w: one alone.
INTERACTIONS = (
    "who,what,stars,when\nu,a,1,1\nu,b,2,2\nv,b,4,3\nu,c,3,2\nu,d,4,9\nw,a,5,5\nv,a,2,8\n"
)
SPLITS = ["train", "late", "eval", "ranking", "queries", "users", "items"]


def options(**changes) -> DataOptions:
    settings = {
        "interactions": {
            "file": "log*.csv",
            "columns": {"user": "who", "item": "what", "rating": "stars", "timestamp": "when"},
        },
        "catalogue": {
            "file": "things.csv",
            "columns": {"item": "id", "title": "name", "categories": "tags"},
        },
        "split": {"strategy": "time_per_user", "eval_fraction": 0.5, "late_fraction": 0.5},
        "max_rejected_fraction": 0.0,
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = settings
        for parent in parents:
            part = part[parent]
        part[last] = value
    return DataOptions(**settings)


def decode(example: tf.train.Example) -> dict[str, list]:
    found = {}
    for name, feature in example.features.feature.items():
        values = list(getattr(feature, feature.WhichOneof("kind")).value)
        found[name] = [v.decode() if isinstance(v, bytes) else v for v in values]
    return found


@pytest.fixture
def generate(tmp_path):
    """Runs both generators on texts; returns the Examples by split, and the rejected folder."""

    def run(
        settings: DataOptions, log: str | dict[str, str] = INTERACTIONS, things: str = CATALOGUE
    ) -> tuple[dict[str, list[dict[str, list]]], Path]:
        logs = {"log.csv": log} if isinstance(log, str) else log
        for name, text in {**logs, "things.csv": things}.items():
            (tmp_path / name).write_text(text, newline="")
        uris = {}
        for name, splits in (("catalogue", ["items"]), ("examples", SPLITS)):
            artifact = standard_artifacts.Examples()
            artifact.uri = uris[name] = str(tmp_path / name)
            example_files.declare_splits(artifact, splits)
        rejected = tmp_path / "rejected"
        write_catalogue(
            beam.Pipeline(), str(tmp_path), settings, uris["catalogue"], str(tmp_path / "items")
        )
        write_interactions(
            beam.Pipeline(),
            uris["catalogue"],
            str(tmp_path),
            settings,
            uris["examples"],
            str(rejected),
        )
        examples = {
            split: [decode(e) for e in example_files.read_examples(uris["examples"], split)]
            for split in SPLITS
        }
        return examples, rejected

    return run


def test_every_split_is_written_when_the_data_is_clean(generate):
    examples, rejected = generate(options())
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


def test_the_latest_is_kept_and_the_row_is_shown_when_a_pair_comes_twice(generate):
    log = INTERACTIONS + '"v","b",5,7\r\n'
    examples, rejected = generate(options(), log)
    assert sum(len(examples[split]) for split in ("train", "late", "eval")) == 7
    lines = (rejected / "rejected.csv").read_text().splitlines()
    # The earlier one, at second 3, stands on line 4.
    assert lines == ["reason,file,line,row", 'duplicate,log.csv,4,"v,b,4,3"']


def test_files_are_read_as_one_log_when_the_pattern_matches_several(generate):
    rows = INTERACTIONS.splitlines(keepends=True)
    logs = {"log1.csv": "".join(rows[:4]), "log2.csv": rows[0] + "".join(rows[4:])}
    examples, _ = generate(options(), logs)
    assert {split: len(examples[split]) for split in SPLITS} == {
        "train": 3,
        "late": 1,
        "eval": 3,
        "ranking": 1,
        "queries": 2,
        "users": 3,
        "items": 4,
    }


def test_there_are_no_ratings_titles_or_categories_when_the_data_has_none(generate):
    settings = options(
        interactions__columns={"user": "who", "item": "what", "timestamp": "when"},
        interactions__feedback="implicit",
        catalogue__columns={"item": "id"},
    )
    log = "".join(
        ",".join(row.split(",")[:2] + row.split(",")[3:]) for row in INTERACTIONS.splitlines(True)
    )
    examples, _ = generate(settings, log, "id\na\nb\nc\nd\n")
    found = {name for split in SPLITS for example in examples[split] for name in example}
    assert not {name for name in found if "rating" in name or "category" in name}
    assert examples["items"][0].keys() == {"item_id", "item_interaction_count"}
    assert len(examples["queries"]) == 2


def test_a_user_without_a_train_part_has_no_query_when_split_by_global_time(generate):
    examples, _ = generate(options(split__strategy="global_time"))
    # Sorted times 1 2 2 3 5 8 9, floor(7 / 2) = 3 to hold out: later than 3 is eval.
    # Late: later than 2, the second of 1 2 2 3.
    assert [(e["user_id"], e["item_id"]) for e in examples["late"]] == [(["v"], ["b"])]
    pairs = sorted((e["user_id"][0], e["item_id"][0]) for e in examples["eval"])
    assert pairs == [("u", "d"), ("v", "a"), ("w", "a")]
    assert sorted(query["user_id"][0] for query in examples["queries"]) == ["u", "v"]
    assert len(examples["users"]) == 3
    # v has nothing in train, the others nothing late.
    assert examples["ranking"] == []


def test_the_share_of_each_item_is_held_out_when_split_randomly_per_item(generate):
    log = "who,what,stars,when\n" + "".join(
        f"u{user},{item},4,7\n" for user in range(8) for item in "abc"[: 1 + user % 3]
    )
    examples, _ = generate(options(split__strategy="random_per_item"), log)
    # a has 8 users, b 5, c 2. Half: 4, round(2.5) = 2, 1. Half of the rest 4, 3, 1: 2,
    # round(1.5) = 2, round(0.5) = 0.
    counts = {
        split: [sum(e["item_id"] == [item] for e in examples[split]) for item in "abc"]
        for split in ("train", "late", "eval")
    }
    assert counts == {"train": [2, 1, 1], "late": [2, 2, 0], "eval": [4, 2, 1]}


def test_the_run_stops_and_names_the_row_when_one_is_bad_and_none_is_allowed(generate, tmp_path):
    with pytest.raises(DataError, match=r"First: log\.csv:9 unknown_item\. All: \S+rejected\.csv"):
        generate(options(), INTERACTIONS + "u,zzz,1,1\n")
    assert (tmp_path / "rejected-refused" / "rejected.csv").exists()
    assert not (tmp_path / "rejected" / "staging").exists()


def test_the_run_goes_on_when_bad_rows_are_few_enough(generate):
    # 1 of 8 rows is 12.5 %.
    examples, rejected = generate(
        options(max_rejected_fraction=0.125), "\ufeff" + INTERACTIONS + "u,zzz,1,1\n"
    )
    assert len(examples["train"] + examples["late"]) == 4
    assert json.loads((rejected / "counts.json").read_text()) == {"unknown_item": 1}


def test_an_error_says_so_when_the_split_leaves_nobody_to_evaluate_on(generate):
    with pytest.raises(DataError, match=r"Found none among 1 users with .* time_per_user"):
        generate(options(), "who,what,stars,when\nu,a,1,1\n")


def test_an_error_names_the_column_when_it_is_missing(generate):
    with pytest.raises(DataError, match=r"expected a column 'when'. Found: who, what, stars"):
        generate(options(), "who,what,stars\nu,a,1\n")


def test_files_are_the_same_when_the_data_is_read_again(generate, tmp_path):
    def contents() -> list[bytes]:
        files = sorted((tmp_path / "examples").rglob("*.gz"))
        return [gzip.decompress(path.read_bytes()) for path in files]

    generate(options())
    first = contents()
    generate(options())
    assert contents() == first


def test_a_user_has_every_split_when_alone(generate):
    log = "who,what,stars,when\nu,a,1,1\nu,b,2,2\nu,c,2,3\nu,d,2,4\n"
    examples, _ = generate(options(), log)
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


def test_an_error_says_so_when_there_is_one_item_to_evaluate_on(generate):
    # Each user can have it once: either in train or in eval.
    with pytest.raises(DataError, match=r"Found none among 2 users"):
        generate(options(), "who,what,stars,when\nu,a,1,1\nv,a,2,2\n", "id,name,tags\na,A,x\n")


def test_interactions_see_nothing_of_each_other_when_all_have_one_timestamp(generate):
    log = "who,what,stars,when\n" + "".join(f"u,{item},4,7\n" for item in "abcd")
    examples, _ = generate(options(), log)
    # The last half by line is held out.
    assert [e["item_id"] for e in examples["eval"]] == [["c"], ["d"]]
    for example in examples["train"] + examples["late"] + examples["eval"]:
        assert example["user_interaction_count"] == [0.0]
        assert "history_item_id" not in example
    # As of the split, the query knows all of training, which stands first in the file.
    assert examples["queries"][0]["seen_item_id"] == ["b", "a"]


def test_an_error_says_so_when_all_have_one_timestamp_and_the_split_is_by_global_time(generate):
    log = "who,what,stars,when\n" + "".join(f"u,{item},4,7\n" for item in "abcd")
    with pytest.raises(DataError, match="Found none among 1 users with .* global_time"):
        generate(options(split__strategy="global_time"), log)


def test_ids_come_through_unchanged_when_they_hold_all_but_line_breaks(generate):
    ids = ["two words", "a,b", 'say "hi"', "Zoë-東京-🎬", "x" * 300, " a", "0x", "a|b"]
    ids.append("a\u2028b")  # a line end to str.splitlines, not to TensorFlow
    quoted = ['"' + name.replace('"', '""') + '"' for name in ids]
    things = "id,name,tags\n" + "".join(f"{name},T,x\n" for name in quoted)
    log = "who,what,stars,when\n" + "".join(
        f"{user},{item},3,{second}\n"
        for user in quoted
        for second, item in enumerate(quoted, start=1)
    )
    examples, rejected = generate(options(), log, things)
    assert sorted(item["item_id"][0] for item in examples["items"]) == sorted(ids)
    assert sorted(user["user_id"][0] for user in examples["users"]) == sorted(ids)
    for user in examples["users"]:
        assert user["seen_item_id"] == ids[::-1]
    assert json.loads((rejected / "counts.json").read_text()) == {}


def test_rows_are_named_when_an_id_has_a_line_break(generate):
    # 1 of 8 rows is 12.5 %; the record takes lines 9 and 10.
    examples, rejected = generate(
        options(max_rejected_fraction=0.125), INTERACTIONS + '"a\nb",a,1,1\n'
    )
    assert sorted(user["user_id"][0] for user in examples["users"]) == ["u", "v", "w"]
    assert (rejected / "rejected.csv").read_text() == (
        'reason,file,line,row\nline_break_in_id,log.csv,9,"""a\nb"",a,1,1"\n'
    )


def test_an_item_is_among_the_items_when_only_the_catalogue_knows_it(generate):
    examples, _ = generate(options(), things=CATALOGUE + "only,Only,z\n")
    counts = {item["item_id"][0]: item["item_interaction_count"] for item in examples["items"]}
    assert counts["only"] == [0.0]


def test_what_is_done_is_told_when_it_takes_long(generate, caplog):
    with caplog.at_level("INFO", PROGRESS_LOGGER):
        generate(options())
    # 61 bytes of rows round to 0.0 MB.
    told = [r.getMessage() for r in caplog.records if r.name == PROGRESS_LOGGER]
    assert told == [
        "reading 1 file, 0.0 MB in 1 chunk",
        "reading 1 file, 0.0 MB in 1 chunk",
        "writing the examples of 3 users and 7 interactions",
    ]
