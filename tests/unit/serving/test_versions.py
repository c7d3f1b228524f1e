from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.versions import Version, read_content, scan_versions


def _make_version(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_scan_orders_by_number_when_names_differ_in_length(tmp_path: Path) -> None:
    for name in ("9", "100", "20"):
        _make_version(tmp_path, name)
    assert [version.number for version in scan_versions(tmp_path)] == [100, 20, 9]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.sets(st.integers(0, 2**63 - 1), max_size=6))
def test_scan_finds_exactly_the_versions_when_any_are_there(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int]
) -> None:
    base = tmp_path_factory.mktemp("base")
    for number in numbers:
        _make_version(base, str(number))
    found = scan_versions(base)
    assert [version.number for version in found] == sorted(numbers, reverse=True)
    assert all(version.path == base / str(version.number) for version in found)


@pytest.mark.parametrize(
    "name", ["temp", "1.partial", "-1", "1e3", " 2", "²", str(2**63)], ids=ascii
)
def test_scan_ignores_a_folder_when_its_name_is_no_version(tmp_path: Path, name: str) -> None:
    _make_version(tmp_path, name)
    assert scan_versions(tmp_path) == []


def test_scan_ignores_a_version_when_saved_model_is_missing(tmp_path: Path) -> None:
    (tmp_path / "1" / "variables").mkdir(parents=True)
    (tmp_path / "2").write_text("a file")
    assert scan_versions(tmp_path) == []


def test_scan_is_empty_when_base_path_is_missing(tmp_path: Path) -> None:
    assert scan_versions(tmp_path / "later") == []


def test_scan_finds_a_version_when_it_is_a_link(tmp_path: Path) -> None:
    model = _make_version(tmp_path, "model")
    (tmp_path / "7").symlink_to(model)
    assert scan_versions(tmp_path) == [Version(7, tmp_path / "7")]


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "saved_model.pb").write_bytes(b"longer graph"),
        lambda folder: (folder / "variables").write_bytes(b""),
        lambda folder: (folder / "saved_model.pb").rename(folder / "other.pb"),
    ],
    ids=["rewritten", "added", "renamed"],
)
def test_content_differs_when_files_change(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    version = Version(1, _make_version(tmp_path, "1"))
    before = read_content(version)
    change(version.path)
    assert read_content(version).files != before.files


def test_content_is_the_same_when_nothing_changes(tmp_path: Path) -> None:
    version = Version(1, _make_version(tmp_path, "1"))
    assert read_content(version) == read_content(version)


def test_content_is_empty_when_version_is_removed(tmp_path: Path) -> None:
    assert read_content(Version(1, tmp_path / "1")).files == ()
