import os
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import textbook, textbook_content
from benchmarks.processes import BenchmarkError
from benchmarks.textbook_content import Rows, Statistics
from pipeline.datasets.synthesize import synthesize

DOWNLOADED = Path(__file__).parents[3] / "data" / "ml-latest-small"
MOVIELENS = Path(os.environ.get("MARQUEE_MOVIELENS") or DOWNLOADED)
needs_movielens = pytest.mark.skipif(
    not (MOVIELENS / "ratings.csv").is_file(),
    reason=f"no ratings.csv in {MOVIELENS}; set MARQUEE_MOVIELENS to MovieLens' ml-latest-small",
)


@pytest.fixture
def rows() -> Rows:
    """User 0 rated items 0 and 1 with 5 and 1, user 1 item 0 with 3; item 1 has both genres."""
    return Rows(
        user=np.array([0, 0, 1]),
        item=np.array([0, 1, 0]),
        rating=np.array([5.0, 1.0, 3.0], np.float32),
        year=np.array([1999.0, 2001.0, 2005.0], np.float32),
        category=np.array([[1, 0], [1, 1], [0, 1]], np.float32),
    )


def test_means_hold_all_ratings_when_published(rows: Rows) -> None:
    users, items = Statistics(rows).features(rows, without_own=False, published=True)
    # User 0: (5 + 1) / 2 in the first genre, 1 in the second; user 1 has none of the second: 0.
    assert users.tolist() == [[3.0, 1.0], [3.0, 1.0], [3.0, 0.0]]
    # Year, mean, genres; item 0 (5 + 3) / 2.
    assert items.tolist() == [
        [1999.0, 4.0, 1.0, 0.0],
        [2001.0, 1.0, 1.0, 1.0],
        [1999.0, 4.0, 1.0, 0.0],
    ]


def test_own_rating_is_out_when_honest(rows: Rows) -> None:
    users, items = Statistics(rows).features(rows, without_own=True, published=False)
    # Means start from 5 ratings of 3. User 0 without the 5: (15 + 1) / 6 = 2.667; its first genre
    # starts from 5 of those: (13.33 + 1) / 6 = 2.389; in the second, (13.33 + 1) / 6 as well.
    assert users[0] == pytest.approx([1.0, 16 / 6, 43 / 18, 43 / 18], rel=1e-5)
    # User 1 has no other rating: the mean of all.
    assert users[2] == pytest.approx([0.0, 3.0, 3.0, 3.0])
    # Item 0 without the 5: (15 + 3) / 6; item 1 without the 1: 15 / 5; item 0 without the 3: 20/6.
    assert items[:, 1] == pytest.approx([3.0, 3.0, 20 / 6])


def test_each_genre_has_a_row_when_published(rows: Rows) -> None:
    twins = rows.for_each_category()
    assert twins.item.tolist() == [0, 1, 1, 0]
    _, items = Statistics(rows).features(twins, without_own=False, published=True)
    assert items[:, 2:].tolist() == [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]


def test_old_items_are_left_out_when_the_most_rated_are_taken(rows: Rows) -> None:
    assert rows.most_rated(2000, 2).item.tolist() == [1]
    assert rows.most_rated(1990, 1).item.tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["honest", "twins"])
def test_network_beats_a_constant_when_ratings_have_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    synthesize(tmp_path, users=60, items=80, interactions=2000)
    monkeypatch.setattr(textbook_content, "SCHEDULE", textbook_content.Schedule(0.01, 4, 4))
    ratings = textbook.read_ratings(tmp_path)
    data = ratings.dataset
    rows = Rows(data.user, data.item, ratings.rating, ratings.year, ratings.category)
    if kind == "honest":
        result = textbook_content.honest(rows, ratings.rating_range, seed=1)
        assert (result.train_rows, result.test_rows) == (1600, 400)
    else:
        result = textbook_content.leaky(rows, ratings.rating_range, seed=1, twins=True)
    scaled = (ratings.rating - 0.5) / 2.25 - 1.0
    assert result.test < scaled.var()


def test_table_has_each_check_when_printed() -> None:
    console = Console(record=True, width=120)
    textbook.print_checks(console, [textbook.Check("parameters", "82,240", "82,241")])
    text = console.export_text()
    # sqrt(0.1045) * 2.25 = 0.727
    for expected in ("parameters", "82,240", "82,241", "0.73 stars"):
        assert expected in text


def test_says_so_when_the_data_are_not_the_labs(tmp_path: Path) -> None:
    synthesize(tmp_path, users=10, items=20, interactions=100)
    with pytest.raises(BenchmarkError, match="ml-latest-small. Received: one without item 28"):
        textbook.factorize_like_the_lab(textbook.read_ratings(tmp_path), seed=1)


@needs_movielens
def test_factorization_matches_the_lab_when_trained_on_movielens() -> None:
    ratings = textbook.read_ratings(MOVIELENS)
    loss, trained, folded = textbook.factorize_like_the_lab(ratings, seed=1)
    assert len(loss) == 200
    assert loss[0] / loss[180] >= 500.0
    assert trained <= 0.2
    # One solve with the items as they are cannot bend them: better than 1 star, no more is asked.
    assert folded < 1.0
