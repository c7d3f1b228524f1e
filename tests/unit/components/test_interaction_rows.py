import numpy as np
import pytest
import tensorflow as tf

from components import csv_reader, interaction_rows
from components.csv_reader import FileChunk
from components.interaction_rows import ColumnPositions, Interactions
from components.options import InteractionColumns, InteractionOptions
from models.id_table import id_table

ITEMS = {"a": 0, "b": 1, "c": 2}


def check(data: str, first_line: int = 2, file: int = 0, position: int | None = None, **options):
    columns = InteractionColumns(user="u", item="i", rating="r", timestamp="t")
    settings = InteractionOptions(file="x.csv", columns=columns, **options)
    chunk = FileChunk("/d/x.csv", "x.csv", file, 0, len(data), first_line)
    records = csv_reader.parse_chunk(data.encode(), chunk, 4 if position is None else 5)
    explicit = settings.feedback == "explicit"
    positions = ColumnPositions(0, 1, 2 if explicit else None, 3, position)
    return interaction_rows.check_rows(records, chunk, positions, settings, ITEMS)


def named(rows: Interactions) -> list[tuple[str, int, int]]:
    """(user, item, timestamp) of each row."""
    users = [rows.users[user] for user in rows.user]
    return list(zip(users, rows.item.tolist(), rows.timestamp.tolist(), strict=True))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",a,4,100", "empty_user"),
        ("  ,a,4,100", "empty_user"),
        ("u,,4,100", "empty_item"),
        ("u,a,,100", "bad_rating"),
        ("u,a,good,100", "bad_rating"),
        ("u,a,nan,100", "bad_rating"),
        ("u,a,1_0,100", "bad_rating"),
        ("u,a,inf,100", "rating_out_of_range"),
        ("u,a,0.9,100", "rating_out_of_range"),
        ("u,a,5.1,100", "rating_out_of_range"),
        ("u,a,4,", "bad_timestamp"),
        ("u,a,4,1.5", "bad_timestamp"),
        ("u,a,4,1e9", "bad_timestamp"),
        ("u,a,4,-1", "bad_timestamp"),
        ("u,a,4,4102444800", "bad_timestamp"),
        ("u,a,4,99999999999999999999999", "bad_timestamp"),
        ("u,zzz,4,100", "unknown_item"),
        ('"u\nv",a,4,100', "line_break_in_id"),
        ('"u\r\nv",a,4,100', "line_break_in_id"),
        ("u\rv,a,4,100", "line_break_in_id"),
        ('u,"a\n",4,100', "line_break_in_id"),
        ('"\n",a,4,100', "empty_user"),
        # The first fault counts where there are several.
        (",,bad,bad", "empty_user"),
        ('"u\nv",,bad,bad', "line_break_in_id"),
        ("u,zzz,bad,bad", "bad_rating"),
    ],
)
def test_a_row_is_rejected_with_its_reason_and_place_when_it_is_unusable(row, reason):
    accepted, rejected = check(f"u,a,5,100\n{row}\nv,b,1,200\n")
    assert named(accepted) == [("u", 0, 100), ("v", 1, 200)]
    assert rejected == [(reason, "x.csv", 3, row)]


def test_ids_are_kept_as_they_are_when_they_hold_anything_but_a_line_break(tmp_path):
    # What str.splitlines takes for line ends, and TensorFlow for text.
    separators = "\x0b \x0c \x1c \x1d \x1e \x85 \u2028 \u2029".split(" ")
    users = [f"a{separator}b" for separator in separators] + [" a", "a ", "a\tb"]
    accepted, rejected = check("".join(f"{user},a,4,1\n" for user in users))
    assert (accepted.users, rejected) == (users, [])
    # As the servable does it: one id a line, and the table that TensorFlow makes of the file.
    file = tmp_path / "ids.txt"
    file.write_bytes("".join(f"{user}\n" for user in users).encode())
    assert id_table(str(file)).lookup(tf.constant(users)).numpy().tolist() == list(range(11))
    assert file.read_bytes().splitlines() == [user.encode() for user in users]


def test_nothing_fails_when_all_rows_are_rejected():
    accepted, rejected = check("u,zzz,1,1\n")
    assert (accepted.users, len(rejected)) == ([], 1)
    assert accepted.by_bucket(3) == {}


def test_milliseconds_become_seconds_when_the_unit_is_ms():
    accepted, rejected = check("u,a,4,1500000000999\n", timestamp_unit="ms")
    assert (accepted.timestamp.tolist(), rejected) == ([1_500_000_000], [])


def test_the_rating_is_not_looked_at_when_feedback_is_implicit():
    accepted, rejected = check("u,a,rubbish,100\n", feedback="implicit")
    assert (named(accepted), rejected) == ([("u", 0, 100)], [])


@pytest.mark.parametrize("place", ["0", "0.5", "-1", "first", "nan", "inf", "1_0"])
def test_a_row_is_rejected_when_its_position_is_no_place_from_1(place):
    accepted, rejected = check(f"u,a,4,100,1\nu,b,4,100,{place}\n", position=4)
    assert named(accepted) == [("u", 0, 100)]
    assert [(row.reason, row.line) for row in rejected] == [("bad_position", 3)]


def test_a_position_is_unknown_when_its_cell_is_blank_or_not_mapped():
    rows = "u,a,4,100,3\nu,b,4,100, \n"
    assert check(rows, position=4)[0].position.tolist() == [3.0, 0.0]
    assert check("u,a,4,100\n")[0].position.tolist() == [0.0]


def test_a_user_has_one_bucket_when_the_rows_come_in_two_chunks():
    users = [f"u{number}" for number in range(30)]
    first, _ = check("".join(f"{user},a,4,1\n" for user in users))
    second, _ = check("".join(f"{user},b,4,1\n" for user in users[::-1]))
    buckets = [part.by_bucket(4) for part in (first, second)]
    assert len(buckets[0]) == 4
    for bucket, rows in buckets[0].items():
        assert sorted(rows.users) == sorted(buckets[1][bucket].users)
    assert sorted(row for rows in buckets[0].values() for row in named(rows)) == sorted(
        named(first)
    )


def test_rows_are_ordered_by_user_time_and_line_when_parts_are_merged():
    later, _ = check("v,a,1,5\nu,c,1,9\n", first_line=10)
    earlier, _ = check("u,b,1,9\nu,a,1,3\n", first_line=2)
    kept, duplicates = interaction_rows.merge([later, earlier])
    # b stands on line 2 and c on line 11, both at second 9.
    assert named(kept) == [("u", 0, 3), ("u", 1, 9), ("u", 2, 9), ("v", 0, 5)]
    assert named(duplicates) == []


def test_the_latest_is_kept_when_a_user_and_item_come_twice():
    rows, _ = check("u,a,1,9\nu,a,2,7\nv,a,3,8\nu,b,4,7\nu,b,5,7\n")
    kept, duplicates = interaction_rows.merge([rows])
    # u and a: 9 beats 7. u and b: both at 7, so the later line wins (rating 5, line 6).
    assert named(kept) == [("u", 1, 7), ("u", 0, 9), ("v", 0, 8)]
    assert kept.rating.tolist() == [5.0, 1.0, 3.0]
    assert duplicates.line.tolist() == [3, 5]


def test_the_later_file_wins_when_duplicates_share_a_second():
    first, _ = check("u,a,1,7\n", first_line=90, file=0)
    second, _ = check("u,a,2,7\n", first_line=2, file=1)
    kept, _ = interaction_rows.merge([second, first])
    assert np.array_equal(kept.rating, [2.0])
