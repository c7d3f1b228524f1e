import json
import tracemalloc

import pytest

from components import rejects
from components.errors import DataError
from components.rejects import RejectedRow, Rejections


def row(line: int, reason: str = rejects.BAD_RATING) -> RejectedRow:
    return RejectedRow(reason, "a.csv", line, f'1,"x, y",{line}')


@pytest.fixture
def collect(tmp_path):
    """Stages rows as one chunk of `rows_read` and collects them."""

    def run(rows_read: int, rows: list[RejectedRow]) -> Rejections:
        folder = tmp_path / "staged"
        folder.mkdir()
        rejects.stage(str(folder), f"{rejects.READING}0", rows_read, rows)
        return rejects.collect(str(folder))

    return run


def test_what_reading_found_comes_first_and_by_place_when_parts_come_in_any_order(tmp_path):
    folder, staged = tmp_path / "out", tmp_path / "staged"
    staged.mkdir()
    for name, rows_read, rows in (
        (f"{rejects.MERGING}00000", 0, [row(4, rejects.DUPLICATE), row(5, rejects.DUPLICATE_ITEM)]),
        (f"{rejects.READING}00000-090", 5, [row(9), row(8)]),
        (f"{rejects.READING}00000-010", 7, [row(3), row(2, rejects.MALFORMED)]),
    ):
        rejects.stage(str(staged), name, rows_read, rows)
    rejected = rejects.collect(str(staged))
    # Read: 5 + 7 rows. Faulty: all but the duplicate.
    assert (rejected.rows_read, rejected.faulty) == (12, 5)
    # The first three by line, wherever they were found.
    assert [found.line for found in rejected.first] == [2, 3, 5]
    rejects.write_rejected(str(folder), rejected)
    assert json.loads((folder / "counts.json").read_text()) == {
        "bad_rating": 3,
        "duplicate": 1,
        "duplicate_item": 1,
        "malformed": 1,
    }
    assert (folder / "rejected.csv").read_text().splitlines() == [
        "reason,file,line,row",
        'malformed,a.csv,2,"1,""x, y"",2"',
        'bad_rating,a.csv,3,"1,""x, y"",3"',
        'bad_rating,a.csv,8,"1,""x, y"",8"',
        'bad_rating,a.csv,9,"1,""x, y"",9"',
        'duplicate,a.csv,4,"1,""x, y"",4"',
        'duplicate_item,a.csv,5,"1,""x, y"",5"',
    ]


def test_only_one_part_is_in_memory_when_many_are_written(tmp_path):
    staged = tmp_path / "staged"
    staged.mkdir()
    parts, rows = 20, 5_000
    for part in range(parts):
        made = [
            RejectedRow(rejects.DUPLICATE, "a.csv", line, f"{line:0100}") for line in range(rows)
        ]
        rejects.stage(str(staged), f"{rejects.MERGING}{part:05d}", 0, made)
    tracemalloc.start()
    rejects.write_rejected(str(tmp_path / "out"), rejects.collect(str(staged)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The texts of all parts would take 20 * 5,000 * 100 bytes = 10 MB, and the tuples as much.
    assert peak < 10e6
    with (tmp_path / "out" / "rejected.csv").open() as file:
        assert sum(1 for _ in file) == 1 + parts * rows


def test_nothing_is_raised_when_the_fraction_is_exactly_allowed(tmp_path, collect):
    # 1 of 100 rows, 1 % allowed.
    rejects.check_rejected(collect(100, [row(2)]), 0.01, "a.csv", str(tmp_path / "r"))
    assert not (tmp_path / "r-refused").exists()


def test_the_error_names_the_first_rows_and_keeps_the_list_when_too_many_are_rejected(
    tmp_path, collect
):
    expected = (
        r"^a\.csv: 4 of 100 rows are unusable \(4\.00%, allowed: 1\.00%\): 4 bad_rating\. "
        r"First: a\.csv:2 bad_rating; a\.csv:3 bad_rating; a\.csv:4 bad_rating\. "
        r"All: \S*r-refused/rejected\.csv\. [^\n]*max_rejected_fraction\.$"
    )
    rejected = collect(100, [row(line) for line in (5, 3, 4, 2)])
    with pytest.raises(DataError, match=expected):
        rejects.check_rejected(rejected, 0.01, "a.csv", str(tmp_path / "r"))
    assert len((tmp_path / "r-refused" / "rejected.csv").read_text().splitlines()) == 5


def test_duplicates_do_not_count_when_they_are_most_of_the_rows(tmp_path, collect):
    rejected = collect(100, [row(line, rejects.DUPLICATE) for line in range(2, 92)])
    rejects.check_rejected(rejected, 0.0, "a.csv", str(tmp_path / "r"))
    assert (rejected.faulty, rejected.first) == (0, [])


def test_an_error_says_so_when_no_valid_row_is_left_even_if_all_may_be_rejected(tmp_path, collect):
    with pytest.raises(DataError, match=r"1 of 1 rows are unusable \(none is left\)"):
        rejects.check_rejected(collect(1, [row(2)]), 1.0, "a.csv", str(tmp_path / "r"))


def test_an_error_says_so_when_there_is_no_row_at_all(tmp_path, collect):
    with pytest.raises(DataError, match="expected rows below the header line. Found none"):
        rejects.check_rejected(collect(0, []), 1.0, "a.csv", str(tmp_path / "r"))
