"""Holds models to the results that textbooks print: `python -m benchmarks.textbook --data DIR`.

The published figures are those of the Machine Learning Specialization's recommender labs, which use
parts of MovieLens' ml-latest-small that are not published. Here all of it is used, and for the
content network also the part that comes nearest: as many items since the same year, the most rated.
"""

import csv
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.options import JsonFile
from benchmarks.processes import BenchmarkError
from benchmarks.split import Dataset, default_data_options, read_dataset
from components.errors import MarqueeError
from components.options import DataOptions

FALL_AT = 180  # iteration at which the published run reports its loss
PUBLISHED_LOSSES = (2_321_138.6, 2_901.7)
MAX_ERROR = 0.2  # stars, mean absolute, of a new user's own ratings
PUBLISHED_TEST_ERROR = 0.1045
PUBLISHED_ITEMS, PUBLISHED_FROM = 847, 2000  # number, and the year they start from

# What the lab's new user rated: item id and stars.
NEW_USER = {
    "78499": 5.0,  # Toy Story 3
    "28": 2.0,  # Persuasion
    "7153": 5.0,  # The Lord of the Rings: The Return of the King
    "4306": 5.0,  # Shrek
    "79132": 3.0,  # Inception
    "8961": 5.0,  # The Incredibles
    "4973": 2.0,  # Amelie
    "4896": 5.0,  # Harry Potter and the Sorcerer's Stone
    "5816": 5.0,  # Harry Potter and the Chamber of Secrets
    "7361": 3.0,  # Eternal Sunshine of the Spotless Mind
    "86668": 1.0,  # Louis Theroux: Law & Disorder
    "86922": 1.0,  # Nothing to Declare
    "6539": 5.0,  # Pirates of the Caribbean: The Curse of the Black Pearl
}


@dataclass(frozen=True)
class Check:
    """One line of the table."""

    name: str
    published: str
    here: str


@dataclass(frozen=True)
class Ratings:
    """The data set with its ratings and what its items are.

    Attributes:
        dataset: users and items by index.
        rating: float32 [N].
        year: float32 [I]; the mean where the title has none.
        category: float32 [I, C], multi-hot.
        rating_range: lowest and highest rating.
    """

    dataset: Dataset
    rating: NDArray[np.float32]
    year: NDArray[np.float32]
    category: NDArray[np.float32]
    rating_range: tuple[float, float]


def read_ratings(data: Path) -> Ratings:
    """Reads a folder in the default format.

    Raises:
        DataError: if the data cannot be read.
    """
    options = default_data_options()
    dataset = read_dataset(data, options)
    column = options.interactions.columns.rating
    rating = dataset.table[column].cast(pa.float32()).combine_chunks().to_numpy()
    year, category = _read_catalogue(data, options)
    low, high = options.interactions.rating_range
    return Ratings(dataset, rating, year, category, (low, high))


def _read_catalogue(
    data: Path, options: DataOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    columns, numeric = options.catalogue.columns, options.catalogue.numeric["year"]
    with (data / options.catalogue.file).open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    found = [re.search(numeric.pattern or "", row[numeric.column]) for row in rows]
    year = np.array([float(match[1]) if match else np.nan for match in found], np.float32)
    year[np.isnan(year)] = np.nanmean(year)
    named = [row[columns.categories].split(options.catalogue.category_separator) for row in rows]
    names = sorted({name for own in named for name in own} - {options.catalogue.no_category})
    category = [[name in own for name in names] for own in named]
    return year, np.array(category, np.float32)


def factorize_like_the_lab(ratings: Ratings, seed: int) -> tuple[list[float], float, float]:
    """Factorizes the ratings, with the new user and without.

    Args:
        ratings: the data set.
        seed: of the initial factors.

    Returns:
        The losses with the new user, and the mean absolute errors of the new user's ratings, in
        stars: when trained along, and when folded in.

    Raises:
        BenchmarkError: if the catalogue lacks an item that the new user rated.
    """
    from models.retrieval.factorization import Descent
    from models.retrieval.interaction_table import InteractionTable
    from models.retrieval.rating_factorization import factorize_ratings

    descent = Descent(100, 1.0, 0.1, 200, seed)
    user, item = ratings.dataset.user + 1, ratings.dataset.item + 1
    users, items = len(ratings.dataset.user_ids), len(ratings.dataset.item_ids)
    places = {item_id: place for place, item_id in enumerate(ratings.dataset.item_ids)}
    missing = sorted(NEW_USER.keys() - places.keys())
    if missing:
        raise BenchmarkError(
            "The catalogue must be that of ml-latest-small. Received: one without item "
            f"{missing[0]}. Fetch it with `marquee download ml-latest-small --out DIR`."
        )
    own = np.array([places[item_id] + 1 for item_id in NEW_USER])
    stars = np.array(list(NEW_USER.values()), np.float32)
    known = factorize_ratings(InteractionTable(user, item, ratings.rating, users, items), descent)
    w, b = known.fold_in_user(own, stars)
    folded = np.abs(known.item[own] @ w + b + known.mean[own] - stars).mean()
    together = InteractionTable(
        np.concatenate([user, np.full(len(own), users + 1)]),
        np.concatenate([item, own]),
        np.concatenate([ratings.rating, stars]),
        users + 1,
        items,
    )
    learned = factorize_ratings(together, descent)
    trained = np.abs(learned.predict(np.full(len(own), users + 1), own) - stars).mean()
    return learned.losses, float(trained), float(folded)


def check_factorization(ratings: Ratings, seed: int) -> list[Check]:
    """Compares the factorization of ratings with the lab's.

    Args:
        ratings: the data set.
        seed: of the initial factors.
    """
    losses, trained, folded = factorize_like_the_lab(ratings, seed)
    first, last = losses[0], losses[FALL_AT]
    fall, published = first / last, PUBLISHED_LOSSES[0] / PUBLISHED_LOSSES[1]
    return [
        Check(
            f"factorization: loss at iterations 0 and {FALL_AT}",
            f"{PUBLISHED_LOSSES[0]:,.1f} → {PUBLISHED_LOSSES[1]:,.1f} (1/{published:.0f})",
            f"{first:,.1f} → {last:,.1f} (1/{fall:.0f})",
        ),
        Check(
            "new user's 13 ratings, trained along: mean absolute error",
            f"at most {MAX_ERROR}",
            f"{trained:.3f}",
        ),
        Check("the same, folded in by one solve", "–", f"{folded:.3f}"),
    ]


def check_content(ratings: Ratings, seed: int) -> list[Check]:
    """Trains the content network on features that leak less and less, and on honest ones.

    Args:
        ratings: the data set.
        seed: of the splits and the trainings.
    """
    from benchmarks import textbook_content
    from models.retrieval.content_network import ContentNetwork

    data = ratings.dataset
    rows = textbook_content.Rows(
        data.user, data.item, ratings.rating, ratings.year, ratings.category
    )
    span = ratings.rating_range
    part = rows.most_rated(PUBLISHED_FROM, PUBLISHED_ITEMS)
    results = {
        "means over all ratings, a row for each genre": (
            f"0.0985 / {PUBLISHED_TEST_ERROR} (46,549 / 11,638 rows)",
            textbook_content.leaky(part, span, seed, twins=True),
        ),
        "means over all ratings, a row a rating": (
            "–",
            textbook_content.leaky(part, span, seed, twins=False),
        ),
        "honest means": ("–", textbook_content.honest(part, span, seed)),
        "honest means, the whole data set": (
            f"at most {PUBLISHED_TEST_ERROR} wanted",
            textbook_content.honest(rows, span, seed),
        ),
    }
    parameters = ContentNetwork(user_features=14, item_features=16).parameters()
    return [
        Check("content network, 14 and 16 features: parameters", "82,240", f"{parameters:,}"),
        *(
            Check(
                f"train / test error, {name}",
                published,
                f"{result.train:.4f} / {result.test:.4f} "
                f"({result.train_rows:,} / {result.test_rows:,} rows)",
            )
            for name, (published, result) in results.items()
        ),
    ]


def _stars(error: float) -> float:
    """The RMSE in stars, 0.5 to 5, of a mean square of the scaled target."""
    return float(np.sqrt(error) * (5.0 - 0.5) / 2.0)


def print_checks(console: Console, checks: list[Check]) -> None:
    """Prints one row a check."""
    table = Table("check", "published", "here")
    for check in checks:
        table.add_row(check.name, check.published, check.here)
    console.print(table)
    console.print(
        "Errors of the content network are mean squares, of ratings scaled to [-1, 1]; the test "
        f"rows are a random fifth. All but the last line are on the {PUBLISHED_ITEMS} most rated "
        f"items since {PUBLISHED_FROM}. The published features know the answer: their means hold "
        "the test ratings, and an item of several genres has a row for each, so that most test "
        "rows have a twin in training. Honest means are over the other train ratings alone. An "
        f"error of {PUBLISHED_TEST_ERROR} is an RMSE of {_stars(PUBLISHED_TEST_ERROR):.2f} stars."
    )


def main(
    data: Annotated[Path, typer.Option(help="MovieLens' ml-latest-small.")],
    seed: Annotated[int, typer.Option(help="Of splits and initial weights.")] = 1,
    json_file: JsonFile = None,
) -> None:
    """Compares models with the results that textbooks print."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # or it writes between our lines
    console = Console()
    try:
        ratings = read_ratings(data)
        with console.status("Factorizing ratings"):
            checks = check_factorization(ratings, seed)
    except (BenchmarkError, MarqueeError) as err:
        console.print(str(err), markup=False, style="red", soft_wrap=True)
        raise typer.Exit(1) from err
    with console.status("Training content networks, some minutes"):
        checks += check_content(ratings, seed)
    print_checks(console, checks)
    if json_file:
        report = [vars(check) for check in checks]
        json_file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
