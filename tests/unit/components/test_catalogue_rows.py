import pytest
import tensorflow as tf

from components import catalogue_rows, csv_reader
from components.catalogue_rows import CataloguePositions, CatalogueRow
from components.csv_reader import FileChunk, Header
from components.errors import DataError
from components.options import (
    CatalogueColumns,
    CatalogueOptions,
    NumericColumn,
    ReleasedColumn,
)

OPTIONS = CatalogueOptions(
    file="x.csv",
    columns=CatalogueColumns(item="id", title="name", categories="tags"),
    no_category="(none)",
    numeric={
        "year": NumericColumn(column="name", pattern=r"\((\d{4})\)\s*$"),
        "price": NumericColumn(column="price"),
    },
)
HEADER = Header(("id", "name", "tags", "price"), 0)


def decode(serialized: bytes) -> dict[str, list]:
    found = {}
    for name, feature in tf.train.Example.FromString(serialized).features.feature.items():
        values = list(getattr(feature, feature.WhichOneof("kind")).value)
        found[name] = [v.decode() if isinstance(v, bytes) else v for v in values]
    return found


def encode(*row: str, options: CatalogueOptions = OPTIONS, header: Header = HEADER):
    positions = CataloguePositions.find(header, "x.csv", options)
    return decode(catalogue_rows.encode_item(list(row), positions, options))


def test_all_features_are_written_when_the_row_is_full():
    assert encode("1", "Amélie (2001)", "b|a|b", "9.5") == {
        "item_id": ["1"],
        "item_title": ["Amélie (2001)"],
        "item_category": ["b", "a"],
        "item_numeric_year": [2001.0],
        "item_numeric_price": [9.5],
    }


def test_features_are_left_out_when_cells_say_nothing():
    assert encode("1", " ", "(none)", "") == {"item_id": ["1"], "item_title": ["1"]}


@pytest.mark.parametrize("text", ["", "cheap", "nan", "inf", "1e39"])
def test_a_numeric_value_is_absent_when_it_is_no_finite_number(text):
    assert catalogue_rows.read_number(text, None) is None


@pytest.mark.parametrize(
    ("text", "format", "expected"),
    [
        # 1 January 2000 is day 10,957.
        ("2000", "year", 10_957 * 86_400),
        ("1969", "year", -365 * 86_400),
        (" 1500000000 ", "s", 1_500_000_000),
        ("1500000000999", "ms", 1_500_000_000),
        ("-1", "s", -1),
        ("2000-01-02", "iso", 10_958 * 86_400),
        ("2000-01-01T01:00:00", "iso", 10_957 * 86_400 + 3600),
        ("2000-01-01T01:00:00+01:00", "iso", 10_957 * 86_400),
        ("2000-01-01T00:00:00Z", "iso", 10_957 * 86_400),
    ],
)
def test_a_time_is_read_in_seconds_of_utc_when_it_has_a_format(text, format, expected):
    released = ReleasedColumn(column="x", format=format)
    assert catalogue_rows.read_time(text, released) == expected


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("", "year"),
        ("0", "year"),
        ("12345", "year"),
        ("soon", "s"),
        ("9" * 30, "s"),
        ("2000-13-01", "iso"),
    ],
)
def test_a_time_is_absent_when_it_cannot_be_read(text, format):
    assert catalogue_rows.read_time(text, ReleasedColumn(column="x", format=format)) is None


def test_the_release_is_found_by_its_pattern_and_flags_are_separated_when_mapped():
    options = CatalogueOptions(
        file="x.csv",
        columns=CatalogueColumns(item="id", flags="tags"),
        released=ReleasedColumn(column="name", pattern=r"\((\d{4})\)", format="year"),
    )
    assert encode("1", "Best of (2000)", "old| sale|", "", options=options) == {
        "item_id": ["1"],
        "item_flag": ["old", "sale"],
        "item_released": [10_957 * 86_400],
    }
    assert encode("1", "Best of", "", "", options=options) == {"item_id": ["1"]}


def test_the_id_alone_is_enough_when_nothing_else_is_mapped():
    options = CatalogueOptions(file="x.csv", columns=CatalogueColumns(item="id"))
    assert encode("1", options=options, header=Header(("id",), 0)) == {"item_id": ["1"]}


def test_the_configuration_key_is_named_when_a_column_is_missing():
    with pytest.raises(
        DataError, match=r"expected a column 'price'.*data\.catalogue\.numeric\.price"
    ):
        CataloguePositions.find(Header(("id", "name", "tags"), 0), "x.csv", OPTIONS)


def test_rows_without_a_usable_id_and_malformed_ones_are_rejected_when_checked():
    data = b'1,"One, ""1""",a,\n ,x,a,\n2,b\n"3\n4",y,,\n'
    chunk = FileChunk("/d/x.csv", "x.csv", 0, 0, len(data), 2)
    records = csv_reader.parse_chunk(data, chunk, 4)
    positions = CataloguePositions.find(HEADER, "x.csv", OPTIONS)
    accepted, rejected = catalogue_rows.check_rows(records, "x.csv", positions, OPTIONS)
    assert [(row.item, row.line) for row in accepted] == [("1", 2)]
    assert sorted(rejected) == [
        ("empty_item", "x.csv", 3, " ,x,a,"),
        ("line_break_in_id", "x.csv", 5, '"3\n4",y,,'),
        ("malformed", "x.csv", 4, "2,b"),
    ]


def test_the_first_row_is_kept_when_an_item_comes_twice():
    rows = [CatalogueRow("1", "x.csv", line, f"row {line}", b"") for line in (9, 3, 5)]
    kept, rejected = catalogue_rows.first_of_each(rows)
    assert kept == [rows[1]]
    assert rejected == [
        ("duplicate_item", "x.csv", 5, "row 5"),
        ("duplicate_item", "x.csv", 9, "row 9"),
    ]
