import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.datasets.synthesize import synthesize


def _read(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float64]:
    """The default data set: columns user, item, rating, timestamp."""
    out = tmp_path_factory.mktemp("default")
    synthesize(out)
    return np.loadtxt(out / "ratings.csv", delimiter=",", skiprows=1)


def test_writes_the_same_bytes_when_the_seed_is_the_same(tmp_path: Path) -> None:
    files = [synthesize(tmp_path / name, 30, 80, 900, seed=3).files for name in "ab"]
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_writes_other_ratings_when_the_seed_differs(tmp_path: Path) -> None:
    one = synthesize(tmp_path / "a", 30, 80, 900, seed=3).files[0]
    other = synthesize(tmp_path / "b", 30, 80, 900, seed=4).files[0]
    assert one.read_bytes() != other.read_bytes()


def test_writes_the_format_of_movielens_when_read_as_text(tmp_path: Path) -> None:
    summary = synthesize(tmp_path, 30, 200, 900)
    ratings, movies = (_read(file) for file in summary.files)
    assert ratings[0] == ["userId", "movieId", "rating", "timestamp"]
    assert movies[0] == ["movieId", "title", "genres"]
    assert [row[0] for row in movies[1:]] == [str(n) for n in range(1, 201)]
    assert {row[2] for row in ratings[1:]} <= {f"{half / 2:.1f}" for half in range(1, 11)}
    titles = [row[1] for row in movies[1:]]
    assert all(title[-6:-4].isascii() and title.endswith(")") for title in titles)
    assert any("," in title for title in titles)
    assert any(not title.isascii() for title in titles)
    assert summary.files[0].read_bytes().startswith(b"userId,movieId,rating,timestamp\n1,")


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_keeps_its_promises_when_sizes_vary(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    users = data.draw(st.integers(1, 40))
    items = data.draw(st.integers(2, 60))
    rated = items - max(1, round(items * 0.02))
    interactions = data.draw(st.integers(users, users * rated))
    seen: list[tuple[int, int]] = []
    summary = synthesize(
        tmp_path_factory.mktemp("any"),
        users,
        items,
        interactions,
        progress=lambda done, total: seen.append((done, total)),
    )
    rows = np.loadtxt(summary.files[0], delimiter=",", skiprows=1, ndmin=2)
    assert len(rows) == interactions
    assert len(np.unique(rows[:, :2], axis=0)) == interactions  # no pair twice
    assert set(rows[:, 0]) == set(range(1, users + 1))
    assert rows[:, 1].max() <= items
    assert summary.unrated_items == items - len(np.unique(rows[:, 1])) >= 1
    assert seen[-1] == (interactions, interactions)


def test_spreads_ratings_and_activity_when_sizes_are_the_default(
    ratings: NDArray[np.float64],
) -> None:
    user, item, rating, _ = ratings.T
    assert len(np.unique(rating)) == 10
    assert 3.2 < rating.mean() < 3.8
    activity = np.bincount(user.astype(int))[1:]
    assert activity.min() >= 20
    assert activity.max() > 3 * np.median(activity)
    popularity = np.sort(np.bincount(item.astype(int), minlength=2001)[1:])[::-1]
    # Zipf: the first tenth of the items has far more than a tenth of the ratings.
    assert popularity[:200].sum() > 0.3 * len(item)
    assert np.count_nonzero(popularity == 0) == 40  # 2 % of 2,000


def test_time_is_strict_within_a_user_when_sizes_are_the_default(
    ratings: NDArray[np.float64],
) -> None:
    user, _, _, timestamp = ratings.T
    order = np.lexsort((timestamp, user))
    gaps = np.diff(timestamp[order])[np.diff(user[order]) == 0]
    assert gaps.min() > 0
    # A session is a run of short gaps: most are under two minutes, some are days.
    assert np.mean(gaps < 120) > 0.8
    assert np.mean(gaps > 86_400) > 0.02


def test_popularity_drifts_when_the_calendar_moves(ratings: NDArray[np.float64]) -> None:
    _, item, _, timestamp = ratings.T
    early = timestamp < np.median(timestamp)
    counts = [np.bincount(item[part].astype(int), minlength=2001)[1:] for part in (early, ~early)]
    often = counts[0] + counts[1] > 100
    share = counts[0][often] / (counts[0] + counts[1])[often]
    # Without drift a share is binomial: with n > 100 it is within 0.5 +- 3 * 0.05 nearly always.
    assert np.mean(np.abs(share - 0.5) > 0.15) > 0.1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 10, 10, 0), "users must be at least 1. Received: 0"),
        ((5, 1, 10, 0), "items must be at least 2. Received: 1"),
        ((5, 10, 10, -1), "seed must be at least 0. Received: -1"),
        ((5, 10, 4, 0), "interactions must be between 5, one a user, and 45"),
        # 10 items less the one that nobody rates, times 5 users.
        ((5, 10, 46, 0), "with each of the 9 items that are ever rated. Received: 46"),
    ],
)
def test_says_what_is_wrong_when_sizes_do_not_fit(
    tmp_path: Path, sizes: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        synthesize(tmp_path, *sizes)
    assert list(tmp_path.iterdir()) == []
