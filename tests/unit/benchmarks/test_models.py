from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import typer
from rich.console import Console

from benchmarks import models
from benchmarks.candidates import CHOICES, EVERY_FAMILY, Candidate, chosen
from benchmarks.metrics import Quality
from benchmarks.model_measure import Judge
from benchmarks.model_plot import draw, label_heights
from benchmarks.model_results import Failure, Result, Row
from benchmarks.processes import BenchmarkError
from benchmarks.quality import Task
from benchmarks.split import Dataset, default_data_options, read_dataset
from benchmarks.transformed import Transformed, Users
from models import features
from models.item_table import ItemTable
from models.retrieval.interaction_table import InteractionTable
from models.retrieval.model import FitContext, RetrievalModel
from models.retrieval.options import FAMILIES, retrieval_options
from pipeline.config import load_config
from pipeline.datasets.synthesize import synthesize

# Users a and b; a has w, x and then y, b has x, y and then z. The last of each is held out.
# The vocabulary turns the catalogue round: z is item 1, y 2, x 3 and w 4.
USER, ITEM = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 1, 2, 3])
HELD_OUT = np.array([False, False, True] * 2)
TRAINED = InteractionTable(
    np.array([1, 1, 2, 2]), np.array([4, 3, 3, 2]), np.array([5, 3, 2, 4], np.float32), 2, 4
)
SEEN = np.array([[3, 4], [2, 3]])


class Data:
    """What most-popular, item-kNN and EASE ask of transformed data."""

    def table(self) -> InteractionTable:
        return TRAINED

    def items(self) -> ItemTable:
        category = np.ones([5, 1], np.float32)
        return ItemTable(category, category, np.zeros([5], np.float32))

    def held_out(self, most: int, seed: int) -> dict[str, Any]:
        # a chose y after w and x.
        history = np.array([[3, 4]])
        return {
            features.USER_INDEX: np.array([1]),
            features.HISTORY_INDEX: history,
            features.SEEN_INDEX: history,
            features.ITEM_INDEX: np.array([2]),
        }


class RatesByIndex(RetrievalModel):
    """Predicts an item's index as its rating."""

    predicts_ratings = True

    def predict_rating(self, inputs: dict[str, tf.Tensor], item_index: tf.Tensor) -> tf.Tensor:
        return tf.cast(item_index, tf.float32)


@pytest.fixture(scope="module")
def judge() -> Judge:
    table = pa.table({"rating": ["5", "3", "4", "2", "4", "1"]})
    dataset = Dataset(table, USER, ITEM, np.arange(6), ["a", "b"], ["w", "x", "y", "z"])
    task = Task(dataset, dataset.matrix(~HELD_OUT), dataset.matrix(HELD_OUT), np.arange(2))
    # In another order than the data set's, too.
    inputs = {features.USER_INDEX: np.array([2, 1]), features.SEEN_INDEX: SEEN[::-1]}
    data: Any = Data()
    return Judge(task, Transformed(data, Users(["b", "a"], inputs), list("zyxw")), "rating")


def test_ranks_by_training_interactions_when_it_is_most_popular(judge: Judge) -> None:
    result = judge.most_popular()
    # x 2, w 1, y 1, z 0. a has y and z left: y first, a hit. b has w and z: z is second.
    assert result.quality.mrr == pytest.approx((1 + 1 / 2) / 2)
    assert result.quality.ndcg_at_10 == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert result.quality.recall_at_100 == 1.0
    assert result.quality.coverage_at_10 == 3 / 4  # nobody has x left
    assert result.rmse is None
    assert result.parameters == 4
    assert result.query_ms > 0.0


def test_measures_held_out_ratings_when_a_family_predicts_them(judge: Judge) -> None:
    result = judge.measure(
        "m", lambda inputs: tf.zeros([len(inputs[features.USER_INDEX]), 5]), RatesByIndex(), 0.0, 0
    )
    # y is item 2 and a gave it 4; z is item 1 and b gave it 1: errors 2 and 0.
    assert result.rmse == pytest.approx(np.sqrt((2**2 + 0**2) / 2))


def test_shows_exact_weights_and_what_is_served_when_a_family_is_linear(judge: Judge) -> None:
    candidate = Candidate("EASE", {"kind": "ease", "regularization": 1.0, "embedding_dimension": 3})
    exact, served = judge.fit(candidate, FitContext(1, (1.0, 5.0), ""))
    assert [exact.name, served.name] == ["EASE", "EASE, rank 3 as served"]
    # Three items have interactions: 3 x 3 weights, and of all items two vectors of 3.
    assert exact.parameters == 9
    assert served.parameters == 2 * 5 * 3
    # x speaks for y and w, and nothing for z: y is first for a, and z second for b.
    assert exact.quality.mrr == pytest.approx((1 + 1 / 2) / 2)


def test_goes_on_when_a_family_fails(judge: Judge, tmp_path: Path) -> None:
    broken = Candidate("broken", {"kind": "item_knn", "neighbours": 0})
    groups = {"families": [broken, Candidate("item-kNN", {"kind": "item_knn"})], "again": [broken]}
    console = Console(record=True, width=120)
    rows = models.measure_all(judge, groups, load_config(), tmp_path, console)
    names = [row.name for row in rows["families"]]
    assert names == ["most-popular", "broken", "item-kNN", "item-kNN, rank 256 as served"]
    failure = rows["again"][1]
    assert isinstance(failure, Failure)
    assert "neighbours" in failure.error
    assert "broken failed: ValidationError" in console.export_text()


def test_says_so_when_the_pipeline_rejected_a_test_user(judge: Judge) -> None:
    data: Any = Data()
    transformed = Transformed(data, Users(["a"], {}), list("zyxw"))
    with pytest.raises(BenchmarkError, match="'b' was expected among what the pipeline"):
        Judge(judge._task, transformed, None)


def test_reads_nothing_of_the_test_part_when_the_division_is_inner(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", users=40, items=120, interactions=1200)
    outer, train_folder = models.divide(tmp_path / "data", tmp_path / "outer", inner=False)
    task, folder = models.divide(tmp_path / "data", tmp_path / "inner", inner=True)
    trained = read_dataset(train_folder, default_data_options())
    # What is asked for and what is learned from make up the outer part to learn from.
    assert task.train.nnz + task.test.nnz == outer.train.nnz == len(trained.user)
    assert read_dataset(folder, default_data_options()).user.shape == (task.train.nnz,)


def test_every_family_and_choice_is_compared_when_nothing_is_left_out() -> None:
    assert {candidate.kind for candidate in EVERY_FAMILY} == set(FAMILIES)
    towers = [retrieval_options(candidate.options) for candidate in CHOICES]
    assert {each.negatives.kind for each in towers} == {
        "mixed",
        "in_batch",
        "uniform",
        "popularity",
        "hard",
    }
    assert {each.similarity.kind for each in towers} == {
        "cosine",
        "dot",
        "euclidean",
        "dot_over_norm",
    }


def test_changes_the_options_of_one_kind_when_told_to() -> None:
    options = ["two_tower.negatives.drawn=7", "ease.regularization=1.5", "softmax.full=false"]
    kept = chosen((*EVERY_FAMILY, *CHOICES), ["two_tower", "ease"], options)
    by_name = {candidate.name: candidate.options for candidate in kept}
    assert by_name["EASE"] == {"kind": "ease", "regularization": 1.5}
    assert by_name["hard negatives"]["negatives"] == {"kind": "hard", "drawn": 7}
    assert {candidate.kind for candidate in kept} == {"two_tower", "ease"}
    assert EVERY_FAMILY[1].options == {"kind": "ease"}


@pytest.mark.parametrize("option", ["drawn=7", "ease.regularization", "ease.=1"])
def test_says_so_when_an_option_is_no_assignment(option: str) -> None:
    with pytest.raises(BenchmarkError, match="KIND.KEY=VALUE was expected"):
        chosen(EVERY_FAMILY, [], [option])


def test_says_so_when_a_family_is_unknown() -> None:
    with pytest.raises(BenchmarkError, match="svd is no family: one of two_tower, softmax"):
        chosen(EVERY_FAMILY, ["svd"], [])


def test_ends_with_1_when_a_retrieval_key_is_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        models.main(tmp_path, tmp_path, overrides=["retrieval.kind=ease"])
    assert ended.value.exit_code == 1
    assert "a key outside retrieval was expected" in capsys.readouterr().out


def results() -> list[Row]:
    quality = Quality(0.125, 0.2, 0.25, 0.5, 1.0)
    return [
        Result("most-popular", quality, None, 0.01, 0.5, 9742),
        Result("MF of ratings", Quality(0.13, 0.2, 0.3, 0.5, 1.0), 0.9123, 61.0, 3.14, 1_234_567),
        Failure("content network", "ValueError: nothing to learn"),
    ]


def test_tables_have_every_figure_when_results_are_in(judge: Judge) -> None:
    console = Console(record=True, width=120)
    models.print_results(console, judge._task, {"Every family": results()})
    text = console.export_text()
    for expected in ("2 test users, 2 held-out", "0.1250", "0.9123", "61.0", "3.14", "1,234,567"):
        assert expected in text
    assert "failed" in text


def test_the_plot_is_the_same_when_the_results_are(tmp_path: Path) -> None:
    measured = [row for row in results() if isinstance(row, Result)]
    for name in ("one.svg", "two.svg"):
        draw(measured, tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert (tmp_path / "two.svg").read_text() == text
    for expected in ("most-popular", "MF of ratings", "seconds to fit", "nDCG@10"):
        assert expected in text


def test_labels_move_up_when_points_are_near_each_other() -> None:
    # 0.1 stays, 0.12 moves to 0.15, so 0.14 moves to 0.2; 0.5 has room.
    assert label_heights([0.14, 0.1, 0.5, 0.12], 0.05) == pytest.approx([0.2, 0.1, 0.5, 0.15])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("ease.regularization=-1", "--option ease.regularization: .*greater than 0. Received: -1"),
        ("ease.foo=1", "--option ease.foo: .*Received: 1. See docs/models.md"),
    ],
)
def test_refuses_an_option_before_anything_is_read(option: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        chosen(EVERY_FAMILY, ["ease"], [option])
