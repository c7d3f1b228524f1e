import json

import pytest

from components import rejects
from components.errors import DataError
from components.rejects import RejectedRow


def row(line: int, reason: str = rejects.BAD_RATING) -> RejectedRow:
    return RejectedRow(reason, "a.csv", line, f'1,"x, y",{line}')


def test_rows_are_written_by_place_and_counted_by_reason_when_they_come_in_any_order(tmp_path):
    folder = tmp_path / "out"
    counts = rejects.write_rejected(str(folder), [row(3), row(2, rejects.MALFORMED), row(9)])
    assert counts == {"bad_rating": 2, "malformed": 1}
    assert json.loads((folder / "counts.json").read_text()) == counts
    assert (folder / "rejected.csv").read_text().splitlines() == [
        "reason,file,line,row",
        'malformed,a.csv,2,"1,""x, y"",2"',
        'bad_rating,a.csv,3,"1,""x, y"",3"',
        'bad_rating,a.csv,9,"1,""x, y"",9"',
    ]


def test_nothing_is_raised_when_the_fraction_is_exactly_allowed(tmp_path):
    # 1 of 100 rows, 1 % allowed.
    rejects.check_rejected(100, [row(2)], 0.01, "a.csv", str(tmp_path / "r"))
    assert not (tmp_path / "r-refused").exists()


def test_the_error_names_the_first_rows_and_keeps_the_list_when_too_many_are_rejected(tmp_path):
    expected = (
        r"^a\.csv: 4 of 100 rows are unusable \(4\.00%, allowed: 1\.00%\): 4 bad_rating\. "
        r"First: a\.csv:2 bad_rating; a\.csv:3 bad_rating; a\.csv:4 bad_rating\. "
        r"All: \S*r-refused/rejected\.csv\. [^\n]*max_rejected_fraction\.$"
    )
    with pytest.raises(DataError, match=expected):
        rejects.check_rejected(
            100, [row(line) for line in (5, 3, 4, 2)], 0.01, "a.csv", str(tmp_path / "r")
        )
    assert len((tmp_path / "r-refused" / "rejected.csv").read_text().splitlines()) == 5


def test_duplicates_do_not_count_when_they_are_most_of_the_rows(tmp_path):
    duplicates = [row(line, rejects.DUPLICATE) for line in range(2, 92)]
    rejects.check_rejected(100, duplicates, 0.0, "a.csv", str(tmp_path / "r"))


def test_an_error_says_so_when_no_valid_row_is_left_even_if_all_may_be_rejected(tmp_path):
    with pytest.raises(DataError, match=r"1 of 1 rows are unusable \(none is left\)"):
        rejects.check_rejected(1, [row(2)], 1.0, "a.csv", str(tmp_path / "r"))


def test_an_error_says_so_when_there_is_no_row_at_all(tmp_path):
    with pytest.raises(DataError, match="expected rows below the header line. Found none"):
        rejects.check_rejected(0, [], 1.0, "a.csv", str(tmp_path / "r"))
