import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "components", "models", "serving")
EVERYWHERE = (*PACKAGES, "benchmarks", "tests", "tools")
LONGEST_FILE = 400  # lines
# Words of the default data set. Whoever brings another catalogue must not meet them in the code.
FILM_WORDS = re.compile(
    r"(?<![a-z])(movies?|films?|genres?|userId|movieId|actors?|cinema)(?![a-z])", re.IGNORECASE
)
DATA_SET_FOLDER = ROOT / "pipeline" / "datasets"
DATA_SET_NAME = "MovieLens"  # the name of the input format, and of public data sets


def sources(*folders: str) -> list[Path]:
    found = [
        file
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*"))
        if file.suffix in {".py", ".html"}
    ]
    assert len(found) > 10  # else a test looks at nothing
    return found


def offending_lines(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line.replace(DATA_SET_NAME, ""))
    ]


def test_does_not_know_about_films_when_it_is_no_data_set_maker() -> None:
    files = [file for file in sources(*PACKAGES) if DATA_SET_FOLDER not in file.parents]
    assert offending_lines(FILM_WORDS, files) == []


@pytest.mark.parametrize("text", ["the movie", "movie_id", "movieId", "Genres:", "a_film"])
def test_finds_film_words_when_they_are_there(text: str) -> None:
    # Underscores join words; letters on either side make another word.
    assert FILM_WORDS.search(text)
    assert not FILM_WORDS.search("removies filming genresis")


def test_is_no_longer_than_400_lines_when_it_is_a_file_of_ours() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in sources(*EVERYWHERE)
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_leaves_nothing_undone_when_it_is_code() -> None:
    undone = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")
    assert offending_lines(undone, sources(*EVERYWHERE)) == []


def test_asserts_nothing_when_it_is_no_test() -> None:
    assert offending_lines(re.compile(r"^\s*assert "), sources(*PACKAGES, "benchmarks")) == []
