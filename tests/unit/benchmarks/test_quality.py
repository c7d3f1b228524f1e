from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import metrics, quality
from benchmarks.processes import BenchmarkError
from benchmarks.split import default_data_options, read_dataset
from pipeline.datasets.synthesize import synthesize


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    synthesize(folder, users=40, items=120, interactions=1200)
    return folder


def test_divides_every_interaction_when_the_task_is_made(data: Path, tmp_path: Path) -> None:
    task = quality.make_task(data, tmp_path)
    assert task.train.nnz + task.test.nnz == 1200
    assert task.train.multiply(task.test).nnz == 0
    assert len(task.users) == 40
    # The pipeline sees the train part, and the whole catalogue.
    trained = read_dataset(tmp_path, default_data_options())
    assert len(trained.user) == task.train.nnz
    assert len(trained.item_ids) == 120


def test_says_so_when_nobody_has_enough_to_hold_out(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", users=20, items=30, interactions=20)
    with pytest.raises(BenchmarkError, match="at least 3 interactions"):
        quality.make_task(tmp_path / "data", tmp_path / "train")


def test_pads_indices_when_a_list_is_short() -> None:
    indices = quality.item_indices([["b", "a"], []], ["a", "b"])
    assert indices.shape == (2, 100)
    assert indices[0, :3].tolist() == [1, 0, -1]
    assert np.all(indices[1] == -1)


def test_names_the_item_when_the_catalogue_lacks_it() -> None:
    with pytest.raises(BenchmarkError, match="recommended 'c', not in the catalogue"):
        quality.item_indices([["c"]], ["a", "b"])


def test_table_has_everyone_when_results_are_in(data: Path, tmp_path: Path) -> None:
    task = quality.make_task(data, tmp_path)
    console = Console(record=True, width=120)
    classic = quality.measure_classic(task, console)
    assert list(classic) == ["most-popular", "item-kNN (50)", "EASE (λ=300)"]
    served = quality.ServedResult(metrics.Quality(0.125, 0.25, 0.5, 1.0), 3.14, 2, 61.0, 2**30)
    quality.print_results(console, task, served, classic)
    text = console.export_text()
    for expected in ("Marquee (served)", "0.1250", "3.1", "EASE", "2 recommended items", "1.0 GiB"):
        assert expected in text
