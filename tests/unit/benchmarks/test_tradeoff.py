from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import sparse

from benchmarks.processes import BenchmarkError
from benchmarks.quality import Task
from benchmarks.split import default_data_options, read_dataset
from benchmarks.tradeoff import Point, newest, positions, quality_of, run_once, table_of
from benchmarks.tradeoff_plot import draw

POINTS = [
    Point(50, 0.13, 0.25, 0.25, 2.5, 3.5, 2.25, 1.25),
    Point(500, 0.14, 0.375, 0.625, 5.0, 6.0, 4.5, 1.5),
]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """One test user of four, who later chose items 0 and 3 of 4."""
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n7,a,4,1\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\na,A,x\nb,B,x\nc,C,x\nd,D,x\n")
    dataset = read_dataset(tmp_path, default_data_options())
    test = sparse.csr_matrix([[1.0, 0.0, 0.0, 1.0]])
    return Task(dataset, sparse.csr_matrix((1, 4)), test, np.array([0]))


def test_lists_become_places_in_the_catalogue_when_they_differ_in_length() -> None:
    found = positions([["c", "a"], [], ["b"]], ["a", "b", "c"])
    assert found.tolist() == [[2, 0], [-1, -1], [1, -1]]


def test_recall_of_candidates_is_of_all_of_them_when_measured(task: Task) -> None:
    final, candidates = np.array([[1, 0]]), np.array([[1, 0, 2, 3]])
    ndcg, recall, of_candidates = quality_of(task, final, candidates)
    # A hit at the second place, 1 / log2(3), of an ideal 1 + 1 / log2(3).
    assert ndcg == pytest.approx(0.63093 / 1.63093, abs=1e-5)
    assert (recall, of_candidates) == (0.5, 1.0)


def test_the_greatest_number_is_the_newest_when_there_are_artifacts(tmp_path: Path) -> None:
    for name in ("9", "10", ".system"):
        (tmp_path / name).mkdir()
    assert newest(tmp_path).name == "10"
    with pytest.raises(BenchmarkError, match="must hold an artifact. Received: none"):
        newest(tmp_path / "9")


def test_no_run_is_made_when_one_is_there(tmp_path: Path) -> None:
    assert run_once(tmp_path, tmp_path, [], tmp_path / "out").root == tmp_path / "out"


def test_each_number_has_a_row_when_shown() -> None:
    console = Console(width=120, record=True)
    console.print(table_of(POINTS))
    row = next(line for line in console.export_text().splitlines() if " 500 │" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "500",
        "0.1400",
        "0.3750",
        "0.6250",
        "5.00",
        "6.00",
        "4.50",
        "1.50",
    ]


def test_the_plot_is_the_same_when_the_figures_are(tmp_path: Path) -> None:
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for file in files:
        draw(POINTS, file)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert b"nDCG@10" in first
    assert b"recommend" in first
