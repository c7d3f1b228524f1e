"""Invents a catalogue in MovieLens format: titles that try a CSV reader, years and genres."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# MovieLens' genres, with about the share of its catalogue that carries each.
GENRES = {
    "Action": 0.19,
    "Adventure": 0.13,
    "Animation": 0.06,
    "Children": 0.07,
    "Comedy": 0.39,
    "Crime": 0.12,
    "Documentary": 0.05,
    "Drama": 0.45,
    "Fantasy": 0.08,
    "Film-Noir": 0.01,
    "Horror": 0.10,
    "IMAX": 0.02,
    "Musical": 0.03,
    "Mystery": 0.06,
    "Romance": 0.16,
    "Sci-Fi": 0.10,
    "Thriller": 0.19,
    "War": 0.04,
    "Western": 0.02,
}
NO_GENRE = "(no genres listed)"
NO_GENRE_FRACTION = 0.01
FIRST_YEAR, LAST_YEAR = 1930, 2014  # before the first rating
ADJECTIVES = (
    "Silent Crimson Broken Golden Distant Hidden Éternel Frozen Burning Último Gentle Hollow "
    "Electric Forgotten Midnight Paper Restless Señor Velvet Wandering Wild Zweite Little Naïve"
).split()
NOUNS = (
    "River Garden Fortress Mirror Voyage Café Harbour Promise Engine Orchard Lantern Détective "
    "Kingdom Summer Shadow Corazón Winter Signal Train Bridge Über Waltz Island Smörgås Letter"
).split()
PLACES = "Amélie|Boston|the Abyss|São Paulo|Mars|Kraków|the North|Zürich|Tōkyō|Nowhere".split("|")


def draw_genres(random: np.random.Generator, items: int) -> NDArray[np.bool_]:
    """Returns bool [items, genres]: one to about four genres each, now and then none."""
    shares = np.array(list(GENRES.values()))
    genres = random.random((items, len(shares))) < shares
    lonely = np.flatnonzero(~genres.any(axis=1))
    genres[lonely, random.choice(len(shares), len(lonely), p=shares / shares.sum())] = True
    genres[random.random(items) < NO_GENRE_FRACTION] = False
    return genres


def write_catalogue(file: Path, random: np.random.Generator, genres: NDArray[np.bool_]) -> None:
    """Writes `movieId,title,genres`; the ids are "1", "2", ...

    Args:
        file: the file to write.
        random: source of titles and years.
        genres: bool [items, genres].
    """
    items = len(genres)
    # Squared: more recent years have more titles.
    age = (LAST_YEAR + 1 - FIRST_YEAR) * random.random(items) ** 2
    years = LAST_YEAR - age.astype(np.int64)
    words = random.integers(0, (len(ADJECTIVES), len(NOUNS), len(PLACES)), (items, 3))
    forms = random.integers(0, 5, items)
    names = list(GENRES)
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(("movieId", "title", "genres"))
        for item in range(items):
            adjective, noun, place = words[item]
            title = _title(int(forms[item]), ADJECTIVES[adjective], NOUNS[noun], PLACES[place])
            carried = [names[genre] for genre in np.flatnonzero(genres[item])]
            row = (item + 1, f"{title} ({years[item]})", "|".join(carried) or NO_GENRE)
            writer.writerow(row)


def _title(form: int, adjective: str, noun: str, place: str) -> str:
    forms = (
        f"{adjective} {noun}",
        f"{noun}, The",
        f"{adjective} {noun}, A",
        f"{noun} of {place}",
        f'{noun} from {place}, or "{adjective}"' if place == "Nowhere" else f"{noun} from {place}",
    )
    return forms[form]
