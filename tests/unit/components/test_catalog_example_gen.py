import apache_beam as beam
import pytest
from tfx.types import standard_artifacts

from components import example_files
from components.artifacts import RejectedRows
from components.catalog_example_gen import CatalogExampleGen
from components.errors import DataError
from components.options import DataOptions


@pytest.fixture
def options() -> DataOptions:
    return DataOptions(
        interactions={
            "file": "log.csv",
            "columns": {"user": "u", "item": "i", "timestamp": "t"},
            "feedback": "implicit",
        },
        catalogue={
            "file": "things.csv",
            "columns": {"item": "id", "title": "name", "categories": "tags"},
        },
        max_rejected_fraction=0.4,
    )


@pytest.fixture
def generate(tmp_path, options):
    def run(text: str) -> tuple[standard_artifacts.Examples, str]:
        (tmp_path / "things.csv").write_text(text, newline="")
        examples, rejected = standard_artifacts.Examples(), RejectedRows()
        examples.uri, rejected.uri = str(tmp_path / "examples"), str(tmp_path / "rejected")
        CatalogExampleGen.test_call(
            examples=examples,
            rejected=rejected,
            data_dir=str(tmp_path),
            options_json=options.model_dump_json(),
            fingerprint="any",
            beam_pipeline=beam.Pipeline(),
        )
        return examples, (tmp_path / "rejected" / "rejected.csv").read_text()

    return run


def test_items_are_read_in_order_when_the_catalogue_has_quotes_accents_and_line_breaks(generate):
    examples, rejected = generate(
        '\ufeffid,name,tags\r\n1,"Amélie, ""la""\r\nfille",b|a\r\n2,"x",\r\n1,again,a\r\n'
    )
    assert examples.split_names == '["items"]'
    catalogue = example_files.read_catalogue(examples.uri)
    assert catalogue == example_files.Catalogue(["1", "2"], [["a", "b"], []])
    first = next(example_files.read_examples(examples.uri, "items")).features.feature
    assert first["item_title"].bytes_list.value[0].decode() == 'Amélie, "la"\r\nfille'
    # The first record takes lines 2 and 3.
    assert rejected.splitlines() == [
        "reason,file,line,row",
        'duplicate_item,things.csv,5,"1,again,a"',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,name,tags\n", r"things\.csv: expected rows below the header line"),
        ("id,name,tags\n,x,\n", r"1 of 1 rows are unusable \(none is left\): 1 empty_item"),
        ("id,name\n1,x\n", r"expected a column 'tags'. Found: id, name"),
        ("", r"the file is empty"),
    ],
)
def test_an_error_says_why_when_the_catalogue_is_unusable(generate, text, expected):
    with pytest.raises(DataError, match=expected):
        generate(text)
