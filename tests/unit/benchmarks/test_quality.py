import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

from benchmarks import metrics, quality
from benchmarks.processes import BenchmarkError
from benchmarks.quality_results import ServedResult
from benchmarks.split import Division, default_data_options, read_dataset
from pipeline.config import load_config
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
    served = ServedResult(None, metrics.Quality(0.125, 0.2, 0.25, 0.5, 1.0), 3.14, 2, 61.0, 2**30)
    quality.print_results(console, task, Division.TIME_PER_USER, [served], classic)
    text = console.export_text()
    for expected in ("Marquee (served)", "0.1250", "3.1", "EASE", "2 recommended items", "1.0 GiB"):
        assert expected in text
    assert "each user's last 20 %" in text
    assert "mean of" not in text


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("", [None]), ("17", [17]), ("17,18, 19", [17, 18, 19]), ("3,3", [3])],
)
def test_seeds_are_read_when_commas_divide_them(text: str, seeds: list[int | None]) -> None:
    assert quality.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["a", "1,", "1;2", "-1", "1.5"])
def test_seeds_are_refused_when_one_is_no_number(text: str) -> None:
    with pytest.raises(BenchmarkError, match=f"with commas between. Received: {text}. Give"):
        quality.parse_seeds(text)


def test_ends_with_1_when_seeds_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        quality.main(tmp_path, tmp_path, seeds="many")
    assert ended.value.exit_code == 1
    assert "--seeds must be whole numbers" in capsys.readouterr().out


def test_the_pipeline_divides_alike_when_the_test_part_is_random(
    data: Path, tmp_path: Path
) -> None:
    assert quality.strategy_sets(Division.TIME_PER_USER) == []
    (override,) = quality.strategy_sets(Division.RANDOM_PER_ITEM)
    assert load_config(overrides=[override]).data.split.strategy == "random_per_item"
    task = quality.make_task(data, tmp_path, Division.RANDOM_PER_ITEM)
    assert task.train.nnz + task.test.nnz == 1200
    assert task.train.multiply(task.test).nnz == 0
    counts = np.asarray((task.train + task.test).sum(axis=0)).ravel()
    held_out = np.asarray(task.test.sum(axis=0)).ravel()
    assert held_out.tolist() == np.rint(counts * 0.25).tolist()


def test_says_so_when_no_item_has_enough_to_hold_out(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", users=2, items=30, interactions=20)
    with pytest.raises(BenchmarkError, match="must hold items with at least 3 interactions"):
        quality.make_task(tmp_path / "data", tmp_path / "train", Division.RANDOM_PER_ITEM)


def test_each_seed_has_a_run_and_a_folder_when_there_are_several(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def measure(
        task: quality.Task, train_folder: Path, output: Path, sets: Sequence[str], seed: int
    ) -> ServedResult:
        """Stands for a whole run of the pipeline and a server, which take minutes."""
        asked.append((output, list(sets), seed))
        return ServedResult(seed, metrics.Quality(seed / 100, 0, 0, 0, 0), 1.0, 0, 60.0, 2**30)

    monkeypatch.setattr(quality, "measure_served", measure)
    quality.main(
        data,
        tmp_path,
        split=Division.RANDOM_PER_ITEM,
        seeds="10,20",
        overrides=["ranking.max_epochs=1"],
        json_file=tmp_path / "results.json",
    )
    sets = ["data.split.strategy=random_per_item", "ranking.max_epochs=1"]
    assert asked == [(tmp_path / "seed-10", sets, 10), (tmp_path / "seed-20", sets, 20)]
    out = " ".join(capsys.readouterr().out.split())
    assert "Marquee, seed 10: nDCG@10 0.1000, recall@100 0.0000, 60 s" in out
    assert "a random 25 % of each item's" in out
    report = json.loads((tmp_path / "results.json").read_text())
    assert report["split"] == "random_per_item"
    assert report["mean"]["ndcg_at_10"] == pytest.approx(0.15)  # (0.10 + 0.20) / 2
