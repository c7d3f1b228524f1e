from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import split
from components.errors import DataError

RATINGS = """\
userId,movieId,rating,timestamp
1,10,4.0,300
1,11,3.0,100
2,10,5.0,50
1,12,2.5,200
"""
MOVIES = 'movieId,title,genres\n10,"Harbour, The (1999)",Drama\n11,b,Drama\n12,c,War\n13,d,War\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "movies.csv").write_text(MOVIES)
    return folder


def test_holds_out_the_last_when_times_are_out_of_order() -> None:
    user = np.array([0, 1, 0, 0, 0, 0])
    timestamp = np.array([9, 1, 2, 3, 4, 5])
    # round(0.2 * 5) = 1 of user 0, the one at time 9; round(0.2 * 1) = 0 of user 1.
    assert split.time_per_user(user, timestamp).tolist() == [True] + [False] * 5


def test_keeps_the_order_of_the_file_when_times_are_equal() -> None:
    user = np.zeros(5, dtype=np.int64)
    held_out = split.time_per_user(user, np.full(5, 7), fraction=0.4)
    assert held_out.tolist() == [False, False, False, True, True]


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1),
    fraction=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_nothing_held_out_is_older_when_data_vary(
    rows: list[tuple[int, int]], fraction: float
) -> None:
    user, timestamp = np.array(rows).T
    held_out = split.time_per_user(user, timestamp, fraction)
    for one in set(user):
        mine = user == one
        later, earlier = timestamp[mine & held_out], timestamp[mine & ~held_out]
        assert len(later) == round(fraction * mine.sum())
        assert not len(later) or not len(earlier) or later.min() >= earlier.max()


def test_holds_out_the_rounded_share_of_each_item_when_it_is_random() -> None:
    # Item 0 has 6 users, 1 has 5, 2 has 2 and 3 has 1; a quarter is 1.5, 1.25, 0.5 and 0.25.
    item = np.repeat([0, 1, 2, 3], [6, 5, 2, 1])
    user = np.array([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 1, 0])
    held_out = split.random_per_item(user, item)
    assert np.bincount(item[held_out], minlength=4).tolist() == [2, 1, 0, 0]
    # The same seed chooses the same, another one does not.
    assert np.array_equal(held_out, split.random_per_item(user, item))
    others = [split.random_per_item(user, item, seed=seed) for seed in range(5)]
    assert any(not np.array_equal(held_out, other) for other in others)


def test_any_time_is_held_out_when_it_is_random() -> None:
    user, item = np.arange(400), np.zeros(400, dtype=np.int64)
    place = np.flatnonzero(split.random_per_item(user, item))
    # 100 of 400 with a mean of 199.5, whose standard error is 400 / sqrt(12 * 100) * sqrt(0.75).
    assert len(place) == 100
    assert abs(place.mean() - 199.5) < 4 * 10.0


def test_a_pair_stays_together_when_it_occurs_again_and_the_choice_is_random() -> None:
    # Users 0 to 3 have item 0 twice each: one of four pairs is held out, both times.
    user = np.tile(np.arange(4), 2)
    held_out = split.random_per_item(user, np.zeros(8, dtype=np.int64))
    assert held_out.sum() == 2
    assert np.array_equal(held_out[:4], held_out[4:])


def test_the_division_decides_when_a_test_part_is_held_out(data: Path) -> None:
    dataset = split.read_dataset(data, split.default_data_options())
    by_time = split.hold_out(dataset, split.Division.TIME_PER_USER)
    assert by_time.tolist() == [True, False, False, False]  # 300 is the newest of user 1
    at_random = split.hold_out(dataset, split.Division.RANDOM_PER_ITEM)
    assert not at_random.any()  # round(0.25 * 2) and round(0.25 * 1)
    assert split.Division.TIME_PER_USER.description == "each user's last 20 %"
    assert split.Division.RANDOM_PER_ITEM.description == "a random 25 % of each item's"


def test_reads_indices_when_the_folder_is_in_the_default_format(data: Path) -> None:
    dataset = split.read_dataset(data, split.default_data_options())
    assert dataset.user_ids == ["1", "2"]
    assert dataset.item_ids == ["10", "11", "12", "13"]
    assert dataset.user.tolist() == [0, 0, 1, 0]
    assert dataset.item.tolist() == [0, 1, 0, 2]
    assert dataset.timestamp.tolist() == [300, 100, 50, 200]


def test_train_folder_lacks_what_is_held_out_when_written(data: Path, tmp_path: Path) -> None:
    options = split.default_data_options()
    dataset = split.read_dataset(data, options)
    held_out = np.array([True, False, False, False])
    split.write_train_folder(dataset, held_out, data, tmp_path / "train", options)
    lines = RATINGS.splitlines(keepends=True)
    assert (tmp_path / "train" / "ratings.csv").read_text() == lines[0] + "".join(lines[2:])
    assert (tmp_path / "train" / "movies.csv").read_text() == MOVIES


def test_train_folder_has_the_users_when_there_are_any(data: Path, tmp_path: Path) -> None:
    options = split.default_data_options()
    dataset = split.read_dataset(data, options)
    held_out = np.zeros(4, dtype=bool)
    split.write_train_folder(dataset, held_out, data, tmp_path / "without", options)
    assert not (tmp_path / "without" / "users.csv").exists()
    (data / "users.csv").write_text("userId,gender,age,occupation\n1,F,30,artist\n")
    split.write_train_folder(dataset, held_out, data, tmp_path / "with", options)
    assert (tmp_path / "with" / "users.csv").read_text() == (data / "users.csv").read_text()


def test_a_pair_counts_once_when_it_occurs_twice(data: Path) -> None:
    (data / "ratings.csv").write_text(RATINGS + "2,10,1.0,60\n")
    dataset = split.read_dataset(data, split.default_data_options())
    matrix = dataset.matrix(np.ones(5, dtype=bool))
    assert matrix.toarray().tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        (RATINGS + "2,99,1.0,60\n", "Received: movieId 99"),
        (RATINGS.replace("userId", "who"), "must have the column userId. Received: who"),
        (RATINGS.replace("300", "soon"), "timestamp must be whole numbers"),
        (RATINGS.replace("timestamp", "when"), "must have the column timestamp"),
        ("", "must be CSV with a header"),
    ],
)
def test_says_what_is_wrong_when_the_file_is_unusable(
    data: Path, ratings: str, message: str
) -> None:
    (data / "ratings.csv").write_text(ratings)
    with pytest.raises(DataError, match=message):
        split.read_dataset(data, split.default_data_options())


def test_names_the_file_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold ratings\.csv"):
        split.read_dataset(tmp_path, split.default_data_options())
