from pathlib import Path

import pytest

from components.data_files import data_files
from components.errors import DataError
from components.options import DataOptions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("log-1.csv", "log-2.csv", "things.csv"):
        (tmp_path / name).write_text("x\n")
    return tmp_path


def options(**users: object) -> DataOptions:
    columns = {"user": "u", "item": "i", "timestamp": "t"}
    return DataOptions(
        interactions={"file": "log-*.csv", "columns": columns, "feedback": "implicit"},
        catalogue={"file": "things.csv", "columns": {"item": "i"}},
        users={"file": "people.csv", "columns": {"user": "u"}, **users} if users else None,
    )


def test_every_file_is_named_when_all_are_there(folder: Path) -> None:
    expected = [str(folder / name) for name in ("log-1.csv", "log-2.csv", "things.csv")]
    assert data_files(str(folder), options()) == expected
    (folder / "people.csv").write_text("x\n")
    assert data_files(str(folder), options(required=True)) == [
        *expected,
        str(folder / "people.csv"),
    ]


def test_the_users_may_be_missing_when_they_are_not_required(folder: Path) -> None:
    assert len(data_files(str(folder), options(required=False))) == 3
    with pytest.raises(DataError, match=r"people\.csv: no such file.*data\.users\.file"):
        data_files(str(folder), options(required=True))
