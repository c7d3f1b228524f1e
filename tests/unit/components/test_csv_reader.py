import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import csv_reader
from components.csv_reader import FileChunk, Records
from components.errors import DataError


def parse(data: bytes, width: int = 3) -> Records:
    return csv_reader.parse_chunk(data, FileChunk("/d/a.csv", "a.csv", 0, 0, len(data), 2), width)


def write(folder: Path, data: bytes, name: str = "a.csv") -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def test_rows_keep_their_line_and_offset_when_lines_end_in_crlf_and_some_are_blank():
    records = parse(b"1,a,x\r\n\r\n2,b,y\r\n")
    assert records.rows == [["1", "a", "x"], ["2", "b", "y"]]
    # The header is line 1 and the chunk begins on line 2; line 3 is blank.
    assert records.lines == [2, 4]
    # 5 characters and CRLF, then CRLF.
    assert records.offsets == [0, 9]
    assert records.malformed == []


def test_a_quoted_title_is_one_field_when_it_holds_commas_quotes_accents_and_a_line_break():
    records = parse('1,"Amélie, ""la""\nfille",x\n2,b,y\n'.encode())
    assert records.rows == [["1", 'Amélie, "la"\nfille', "x"], ["2", "b", "y"]]
    assert records.lines == [2, 4]


def test_a_stray_quote_costs_one_row_when_more_rows_follow():
    records = parse(b'1,"a,x\n2,b,y\n3,c,z\n')
    assert records.rows == [["2", "b", "y"], ["3", "c", "z"]]
    assert [(bad.reason, bad.line, bad.text) for bad in records.malformed] == [
        ("malformed", 2, '1,"a,x')
    ]


def test_two_stray_quotes_cost_two_rows_when_a_good_one_lies_between():
    records = parse(b'1,"a,x\n2,b,y\n3,"c,z\n4,d,w\n')
    assert records.rows == [["2", "b", "y"], ["4", "d", "w"]]
    assert [bad.line for bad in records.malformed] == [2, 4]


@pytest.mark.parametrize("line", [b"1,a", b"1,a,x,y", b"1,\xff\xfe,x", b'1,"a"b,x'])
def test_a_row_is_malformed_when_it_has_other_fields_bad_quotes_or_no_utf8(line):
    records = parse(line + b"\n2,b,y\n")
    assert records.rows == [["2", "b", "y"]]
    assert [bad.line for bad in records.malformed] == [2]


def test_a_quote_inside_a_field_is_text_when_the_field_does_not_begin_with_it():
    assert parse(b'1,a 12" disc,x\n').rows == [["1", 'a 12" disc', "x"]]


def test_the_header_is_read_when_it_begins_with_a_byte_order_mark(tmp_path):
    header = csv_reader.read_header(write(tmp_path, b'\xef\xbb\xbfuser,"item",when\r\n1,2,3\r\n'))
    assert header.columns == ("user", "item", "when")
    # 3 bytes of mark, 16 characters, CRLF: 3 + len('user,"item",when') + 2.
    assert header.length == 21


def test_the_columns_found_are_listed_when_one_is_missing(tmp_path):
    header = csv_reader.read_header(write(tmp_path, b"user,item\n"))
    expected = r"x\.csv: expected a column 'when'\. Found: user, item\. .*data\.columns\.time"
    with pytest.raises(DataError, match=expected):
        header.index("when", "x.csv", "data.columns.time")


def test_an_error_names_the_pattern_when_no_file_matches(tmp_path):
    with pytest.raises(DataError, match=r"b\.csv: no such file.*data\.file"):
        csv_reader.find_files(str(tmp_path), "b.csv", "data.file")


def test_an_error_names_the_file_when_it_is_empty(tmp_path):
    path = write(tmp_path, b"")
    with pytest.raises(DataError, match=rf"{re.escape(path)}: the file is empty"):
        csv_reader.find_files(str(tmp_path), "a.csv", "data.file")


def test_files_are_sorted_when_a_pattern_matches_several(tmp_path):
    for name in ("b.csv", "a.csv"):
        write(tmp_path, b"x\n", name)
    names = [name for _, name in csv_reader.find_files(str(tmp_path), "*.csv", "data.file")]
    assert names == ["a.csv", "b.csv"]


@pytest.mark.parametrize("folder", ["data [new]", "d*", "what?", "[!a]"])
def test_the_folder_means_itself_when_its_name_has_wildcards(tmp_path, folder):
    for name in (folder, "data n", "dx", "whatx", "b"):
        (tmp_path / name / "span-1").mkdir(parents=True)
        write(tmp_path / name, b"x\n")
        write(tmp_path / name / "span-1", b"x\n")
    data_dir = str(tmp_path / folder)
    for pattern, expected in (
        ("a.csv", ["a.csv"]),
        ("[ab].csv", ["a.csv"]),
        ("span-*/*.csv", ["span-1/a.csv"]),
        ("span-1/*.csv", ["span-1/a.csv"]),
    ):
        found = csv_reader.find_files(data_dir, pattern, "data.file")
        assert found == [(f"{data_dir}/{name}", name) for name in expected]


def test_an_error_names_the_pattern_when_the_folder_does_not_exist(tmp_path):
    with pytest.raises(DataError, match=r"none/\*\.csv: no such file"):
        csv_reader.find_files(str(tmp_path / "none"), "*.csv", "data.file")


def test_files_megabytes_and_chunks_are_counted_when_described():
    chunks = [FileChunk("p", "n", file, 0, 600_000, 2) for file in (0, 0, 1)]
    # 3 chunks of 0.6 MB.
    assert csv_reader.describe(chunks) == "2 files, 1.8 MB in 3 chunks"
    assert csv_reader.describe(chunks[:1]) == "1 file, 0.6 MB in 1 chunk"


@pytest.mark.parametrize("first_line", [b"\n", b"\xff,\xfe\n", b',"\n'])
def test_an_error_shows_the_first_line_when_it_is_no_header(tmp_path, first_line):
    with pytest.raises(DataError, match=r"a\.csv:1: expected a header line"):
        csv_reader.read_header(write(tmp_path, first_line + b"1,2\n"))


_FIELD = st.text(st.sampled_from('ab é,"\n1'), max_size=8)


@given(
    rows=st.lists(st.tuples(_FIELD, _FIELD), min_size=1, max_size=12),
    chunk_bytes=st.integers(1, 60),
    line_end=st.sampled_from(["\n", "\r\n"]),
    last_line_ends=st.booleans(),
)
def test_every_row_comes_once_in_order_when_a_file_is_cut_anywhere(
    tmp_path_factory, rows, chunk_bytes, line_end, last_line_ends
):
    def quote(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    body = line_end.join(f"{quote(a)},{quote(b)}" for a, b in rows)
    path = write(
        tmp_path_factory.mktemp("cut"),
        f"x,y{line_end}{body}{line_end if last_line_ends else ''}".encode(),
    )
    header = csv_reader.read_header(path)
    # At least as large as any record here, so that a line break in a field stays in one chunk.
    chunks = list(csv_reader.plan_chunks(path, "a.csv", 0, header, 40 + chunk_bytes))
    records = [csv_reader.read_chunk(chunk, 2) for chunk in chunks]
    assert [tuple(row) for part in records for row in part.rows] == rows
    for part in records:
        spans = list(zip(part.offsets, map(len, part.raw), strict=True))
        assert csv_reader.read_bytes(path, spans) == part.raw
    # The line of a row: 2, and the lines of the rows before it.
    lines, line = [], 2
    for a, b in rows:
        lines.append(line)
        line += 1 + a.count("\n") + b.count("\n")
    assert [line for part in records for line in part.lines] == lines
