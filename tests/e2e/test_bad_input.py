"""Input that cannot be used: exit 2, one line that says what and where, and nothing pushed."""

import shutil

import pytest


@pytest.fixture
def data(small_data, tmp_path):
    """A copy of the data, to be spoiled."""
    return shutil.copytree(small_data, tmp_path / "data")


def spoil(file, wanted):
    """Rewrites the lines, counted from 1 with the header as 1, for which `wanted` has a rule."""
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = [wanted(number, line) for number, line in enumerate(lines, start=1)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_refused(done):
    assert done.code == 2, done.out + done.err
    assert done.versions == ()
    return done.one_line()


def test_names_file_and_line_when_ratings_are_out_of_range(data, run_marquee, tmp_path):
    def poison(number, line):
        # Lines 50, 100, ... 6000: 120 of 6000 rows, 2 %, twice of what is allowed.
        user, item, _, timestamp = line.split(",")
        return f"{user},{item},9.5,{timestamp}" if number % 50 == 0 else line

    spoil(data / "ratings.csv", poison)
    line = check_refused(run_marquee(data, tmp_path / "out"))
    assert "120 of 6000 rows are unusable (2.00%, allowed: 1.00%)" in line
    assert "ratings.csv:50 rating_out_of_range" in line
    listed = line.partition("All: ")[2].partition(". Mend")[0]
    with open(listed, encoding="utf-8") as file:
        assert len(file.readlines()) == 121  # with its header


def test_names_the_column_and_the_key_when_a_column_is_missing(data, run_marquee, tmp_path):
    spoil(
        data / "ratings.csv",
        lambda number, line: line.replace("rating", "stars") if number == 1 else line,
    )
    line = check_refused(run_marquee(data, tmp_path / "out"))
    assert f"{data}/ratings.csv: expected a column 'rating'. " in line
    assert "Found: userId, movieId, stars, timestamp." in line
    assert "data.interactions.columns.rating" in line


def test_names_the_file_when_it_is_empty(data, run_marquee, tmp_path):
    (data / "movies.csv").write_bytes(b"")
    line = check_refused(run_marquee(data, tmp_path / "out"))
    assert f"{data}/movies.csv: the file is empty." in line


def test_names_the_key_when_the_configuration_has_an_unknown_one(data, run_marquee, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("retrieval: {epochs: 3}\n")
    line = check_refused(run_marquee(data, tmp_path / "out", "--config", str(config)))
    assert f"(with {config}): retrieval.epochs is no known key" in line
