import pytest

from components import csv_reader, user_profiles
from components import example_codec as codec
from components.csv_reader import FileChunk, Header
from components.errors import DataError
from components.options import UserColumns, UserOptions
from components.user_profiles import Profile, ProfilePositions

OPTIONS = UserOptions(
    file="people.csv",
    columns=UserColumns(user="name", categories="likes"),
    attributes={"plan": "plan", "city": "town"},
)
POSITIONS = ProfilePositions.find(Header(("name", "town", "plan", "likes"), 0), "p.csv", OPTIONS)


def attribute(name: str, value: str) -> bytes:
    return codec.bytes_feature(f"user_attribute_{name}", codec.bytes_entry(value))


def test_a_profile_has_attributes_by_name_and_sorted_categories_when_the_row_is_full():
    profile = user_profiles.read_profile(["u", "Rome", "basic", "y; x;y;"], POSITIONS, ";")
    assert profile == Profile(attribute("city", "Rome") + attribute("plan", "basic"), ("x", "y"))


def test_what_a_row_does_not_say_is_left_out_when_cells_are_blank():
    assert user_profiles.read_profile(["u", " ", "", ""], POSITIONS, "|") == Profile(b"", ())


def test_a_value_is_one_line_when_the_cell_has_several():
    profile = user_profiles.read_profile(["u", " New\n  York", "", ""], POSITIONS, "|")
    assert profile.attributes == attribute("city", "New York")


def test_categories_are_not_looked_for_when_none_are_mapped():
    options = UserOptions(file="people.csv", columns=UserColumns(user="name"))
    positions = ProfilePositions.find(Header(("name",), 0), "p.csv", options)
    assert user_profiles.read_profile(["u"], positions, "|") == Profile(b"", ())


def test_the_configuration_key_is_named_when_an_attribute_is_missing():
    with pytest.raises(DataError, match=r"a column 'town'.*data\.users\.attributes\.city"):
        ProfilePositions.find(Header(("name", "likes", "plan"), 0), "p.csv", OPTIONS)


def test_rows_without_a_usable_id_are_rejected_when_checked():
    data = b'u,a,b,c\n,a,b,c\nv,a\n"w\nx",a,b,c\n'
    chunk = FileChunk("/d/p.csv", "p.csv", 0, 0, len(data), 2)
    records = csv_reader.parse_chunk(data, chunk, 4)
    accepted, rejected = user_profiles.check_rows(records, "p.csv", POSITIONS, "|")
    assert [(row.user, row.line) for row in accepted] == [("u", 2)]
    assert sorted((row.reason, row.line) for row in rejected) == [
        ("empty_user", 3),
        ("line_break_in_id", 5),
        ("malformed", 4),
    ]


def test_the_first_row_is_kept_when_a_user_comes_twice():
    rows = [
        user_profiles.ProfileRow("u", "p.csv", line, f"row {line}", Profile(bytes([line]), ()))
        for line in (9, 3, 5)
    ]
    kept, rejected = user_profiles.first_of_each(rows)
    assert kept == {"u": Profile(b"\x03", ())}
    assert [(row.reason, row.text) for row in rejected] == [
        ("duplicate_user", "row 5"),
        ("duplicate_user", "row 9"),
    ]
