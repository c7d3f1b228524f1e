import json

import pytest

from components.errors import DataError

# v and u have interactions, n has none, and w no profile.
PROFILES = "name,town,likes\nv, New  York ,\nn,Rome,y|x|y\nu,,x\n"
USERS = {
    "file": "people.csv",
    "columns": {"user": "name", "categories": "likes"},
    "attributes": {"city": "town"},
}


def of_user(examples: list[dict[str, list]], user: str) -> dict[str, list]:
    (found,) = [example for example in examples if example["user_id"] == [user]]
    return found


def test_attributes_are_in_every_example_of_a_user_when_a_users_file_is_read(
    generate, data_options
):
    examples, rejected = generate(data_options(users=USERS), people=PROFILES)
    for split in examples.keys() - {"items"}:
        cities = {(e["user_id"][0], *e.get("user_attribute_city", [])) for e in examples[split]}
        assert cities <= {("v", "New York"), ("n", "Rome"), ("u",), ("w",)}
    assert of_user(examples["queries"], "v")["user_attribute_city"] == ["New York"]
    # Someone without interactions is served by what they say.
    assert of_user(examples["users"], "n") == {
        "user_id": ["n"],
        "user_attribute_city": ["Rome"],
        "user_interaction_count": [0.0],
        "user_category": ["x", "y"],
        "user_category_count": [1.0, 1.0],
    }
    # u says x, and has taken a (x, y), b (y), c and d (x): that counts from the first on.
    assert of_user(examples["users"], "u")["user_category_count"] == [2.0, 2.0]
    first = of_user(examples["train"], "u")
    assert (first["user_category"], first["user_category_count"]) == (["x"], [1.0])
    summary = json.loads((rejected / "summary.json").read_text())
    assert (summary["users"], summary["profile_rows_read"]) == (4, 3)


def test_rows_of_both_files_are_listed_when_some_are_rejected(generate, data_options, interactions):
    # 1 of 8 interactions, 2 of 5 profiles.
    examples, rejected = generate(
        data_options(users=USERS, max_rejected_fraction=0.4),
        interactions + "u,zzz,1,1\n",
        people=PROFILES + ",Oslo,\nn,Oslo,\n",
    )
    assert of_user(examples["users"], "n")["user_attribute_city"] == ["Rome"]
    assert (rejected / "rejected.csv").read_text().splitlines() == [
        "reason,file,line,row",
        'unknown_item,log.csv,9,"u,zzz,1,1"',
        'empty_user,people.csv,5,",Oslo,"',
        'duplicate_user,people.csv,6,"n,Oslo,"',
    ]
    assert json.loads((rejected / "counts.json").read_text()) == {
        "duplicate_user": 1,
        "empty_user": 1,
        "unknown_item": 1,
    }
    summary = json.loads((rejected / "summary.json").read_text())
    assert summary["rows_rejected"] == {"unknown_item": 1}
    assert summary["profile_rows_rejected"] == {"duplicate_user": 1, "empty_user": 1}


def test_the_run_stops_when_too_many_users_are_unusable(generate, data_options):
    with pytest.raises(DataError, match=r"people\.csv: 1 of 4 rows .* people\.csv:5 empty_user"):
        generate(data_options(users=USERS), people=PROFILES + ",Oslo,\n")


def test_an_error_names_the_key_when_the_users_file_lacks_a_column(generate, data_options):
    with pytest.raises(DataError, match=r"a column 'likes'.*data\.users\.columns\.categories"):
        generate(data_options(users=USERS), people="name,town\nv,Rome\n")


def test_a_missing_users_file_is_an_error_only_when_it_is_required(generate, data_options):
    with pytest.raises(DataError, match=r"people\.csv: no such file.*data\.users\.file"):
        generate(data_options(users=USERS))
    examples, _ = generate(data_options(users=USERS | {"required": False}))
    assert len(examples["users"]) == 3
