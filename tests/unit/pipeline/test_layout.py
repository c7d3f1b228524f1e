from pathlib import Path

from pipeline.layout import OutputLayout


def test_puts_things_where_the_contract_says_when_given_a_root(tmp_path: Path) -> None:
    layout = OutputLayout(tmp_path)
    assert layout.serving == tmp_path / "serving" / "recommender"
    assert layout.metadata == tmp_path / "metadata.db"
    assert layout.artifacts == tmp_path / "artifacts"
    assert layout.reports == tmp_path / "reports"


def test_has_no_versions_when_nothing_was_pushed(tmp_path: Path) -> None:
    assert OutputLayout(tmp_path).versions() == []


def test_orders_versions_as_numbers_when_their_lengths_differ(tmp_path: Path) -> None:
    layout = OutputLayout(tmp_path)
    for name in ("10", "9", "100"):
        (layout.serving / name).mkdir(parents=True)
    assert layout.versions() == [9, 10, 100]


def test_leaves_out_what_is_no_version_when_listing(tmp_path: Path) -> None:
    layout = OutputLayout(tmp_path)
    for name in ("7", "8.partial", ".9", "latest"):
        (layout.serving / name).mkdir(parents=True)
    (layout.serving / "11").write_text("a file, not a version")
    assert layout.versions() == [7]
