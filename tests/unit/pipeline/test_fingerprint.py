import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.fingerprint import code_fingerprint, data_fingerprint

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "log-1.csv").write_text("1")
    (tmp_path / "log-2.csv").write_text("2")
    (tmp_path / "items.csv").write_text("x")
    return tmp_path


def of_data(folder: Path) -> str:
    return data_fingerprint(folder, folder.glob("*.csv"))


def test_stays_when_only_the_time_of_a_file_changes(data: Path) -> None:
    before = of_data(data)
    os.utime(data / "items.csv", (0, 0))
    assert of_data(data) == before


def test_stays_when_the_folder_moves(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = shutil.copytree(data, tmp_path_factory.mktemp("moved") / "data")
    assert of_data(copy) == of_data(data)


def test_stays_when_files_come_in_another_order(data: Path) -> None:
    files = sorted(data.glob("*.csv"))
    assert data_fingerprint(data, files) == data_fingerprint(data, reversed(files))


def test_takes_a_file_when_it_is_outside_the_folder(data: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    before = data_fingerprint(inner, [data / "items.csv"])
    (data / "items.csv").write_text("y")
    assert data_fingerprint(inner, [data / "items.csv"]) != before


def test_changes_when_one_byte_changes_and_size_and_time_stay(data: Path) -> None:
    before = of_data(data)
    file = data / "items.csv"
    status = file.stat()
    file.write_text("y")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert of_data(data) != before


def test_changes_when_a_file_is_renamed(data: Path) -> None:
    before = of_data(data)
    (data / "log-2.csv").rename(data / "log-3.csv")
    assert of_data(data) != before


def test_changes_when_a_file_comes(data: Path) -> None:
    before = of_data(data)
    (data / "log-0.csv").touch()
    assert of_data(data) != before


def test_differs_when_a_name_could_be_content(tmp_path: Path) -> None:
    # Names and contents simply joined would read "a1b2" in both folders.
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, files in ((one, {"a": "1", "b": "2"}), (two, {"a": "1b2"})):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
    assert data_fingerprint(one, one.iterdir()) != data_fingerprint(two, two.iterdir())


def fingerprint_of_copy(root: Path) -> str:
    """Returns the fingerprint of the code in a copy of the project."""
    code = "from pipeline.fingerprint import code_fingerprint as f; print(f())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_follows_the_code_when_packages_change(tmp_path: Path) -> None:
    for package in ("components", "models", "serving", "pipeline"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    before = fingerprint_of_copy(tmp_path)
    assert before == code_fingerprint()
    (tmp_path / "models" / "notes.txt").write_text("no code")
    assert fingerprint_of_copy(tmp_path) == before
    seen = {before}
    for changed in ("models/towers.py", "components/templates/model_card.html", "serving/new.py"):
        with (tmp_path / changed).open("a") as file:
            file.write("\n")
        seen.add(fingerprint_of_copy(tmp_path))
    assert len(seen) == 4  # as it was, and after each of the three changes
