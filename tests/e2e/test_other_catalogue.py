"""Another catalogue: songs that were played, without ratings, categories or titles."""

import csv

import pytest

CONFIG = """\
name: songs
data:
  interactions:
    file: plays-*.csv
    columns: {user: listener, item: song, timestamp: played_at}
    feedback: implicit
    timestamp_unit: ms
  catalogue:
    file: songs.csv
    columns: {item: song}
index: {kind: brute_force}
"""
FILES = 2


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


@pytest.fixture(scope="module")
def songs(small_data, tmp_path_factory):
    """The synthetic data, told as plays of songs, in milliseconds, in two files."""
    folder = tmp_path_factory.mktemp("songs")
    plays = [
        f"{int(row['timestamp']) * 1000},s{row['movieId']},{row['userId']}\n"
        for row in rows_of(small_data / "ratings.csv")
    ]
    for number in range(FILES):
        text = "played_at,song,listener\n" + "".join(plays[number::FILES])
        (folder / f"plays-{number}.csv").write_text(text)
    names = [f"s{row['movieId']}\n" for row in rows_of(small_data / "movies.csv")]
    (folder / "songs.csv").write_text("song\n" + "".join(names))
    (folder / "songs.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def songs_run(run_marquee, songs, tmp_path_factory):
    output = tmp_path_factory.mktemp("songs-out") / "out"
    return run_marquee(songs, output, "--config", str(songs / "songs.yaml"))


def test_pushes_when_a_configuration_describes_another_catalogue(songs_run):
    assert songs_run.code == 0, songs_run.out + songs_run.err
    assert len(songs_run.versions) == 1
    report = songs_run.metrics()
    assert report["data"]["counts"]["rows read"] == 6000
    assert report["data"]["rejected"] == {"interactions": {}, "items": {}}


def test_has_no_metric_of_ratings_when_there_are_none(songs_run):
    assert "rating_rmse" not in songs_run.metrics()["metrics"]["overall"]["candidate"]


def test_loads_without_scann_when_the_index_is_brute_force(songs_run, run_alone):
    loaded = run_alone("load_bundle.py", str(songs_run.serving / str(songs_run.versions[0])))
    assert loaded["foreign"] == []
    assert loaded["scann"] is False
    assert [len(set(row)) for row in loaded["items"]] == [5, 5]
    assert all(item.startswith("s") for row in loaded["items"] for item in row)
