import time
from pathlib import Path

import pytest

from components.errors import MarqueeError
from pipeline.layout import OutputLayout
from pipeline.local_runner import check_clock, same_files


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with the same files."""
    for root in ("left", "right"):
        (tmp_path / root / "variables").mkdir(parents=True)
        (tmp_path / root / "saved_model.pb").write_text("graph")
        (tmp_path / root / "variables" / "variables.index").write_text("index")
    return tmp_path / "left", tmp_path / "right"


def test_are_the_same_when_names_and_contents_agree(folders: tuple[Path, Path]) -> None:
    assert same_files(*folders)


def test_differ_when_a_byte_in_a_subfolder_does(folders: tuple[Path, Path]) -> None:
    (folders[1] / "variables" / "variables.index").write_text("andex")
    assert not same_files(*folders)


def test_differ_when_either_has_a_file_more(folders: tuple[Path, Path]) -> None:
    (folders[0] / "variables" / "more").touch()
    assert not same_files(*folders)
    assert not same_files(*reversed(folders))


def test_differ_when_a_folder_is_missing(folders: tuple[Path, Path]) -> None:
    assert not same_files(folders[0], folders[1] / "none")


def test_clock_is_refused_when_a_pushed_version_lies_in_the_future(tmp_path: Path) -> None:
    layout = OutputLayout(tmp_path)
    check_clock(layout)
    (layout.serving / "123").mkdir(parents=True)
    check_clock(layout)
    (layout.serving / str(int(time.time()) + 1000)).mkdir()
    with pytest.raises(MarqueeError, match="must be older than now"):
        check_clock(layout)
