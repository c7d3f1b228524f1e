"""Makes a data set in MovieLens format whose preferences are planted: tastes, popularity, drift."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from pipeline.datasets import titles

LATENT_SIZE = 6
UNRATED_FRACTION = 0.02  # of the items: they are in the catalogue, and nobody rates them
MIN_ACTIVITY = 20  # interactions of the least active user, where the mean allows it
ACTIVITY_SIGMA = 0.9  # of the log-normal that interactions per user follow
ZIPF_EXPONENT = 0.9
ZIPF_OFFSET = 10.0  # flattens the head, as in Zipf-Mandelbrot
LATENT_WEIGHT = 1.5  # standard deviation of the utility that latent tastes add
GENRE_WEIGHT = 0.8  # the same for genre tastes
TREND_WEIGHT = 1.3  # how far an item's popularity moves over the whole calendar, in log units
TASTE_DRIFT = 0.5  # standard deviation of a taste's move over a user's life; 0 = constant
ORDER_NOISE = 1.5  # how loosely the order in a user's life follows the drift
CALENDAR_START = 1_420_070_400  # 2015-01-01 UTC, seconds
CALENDAR_S = 8 * 365 * 86_400  # first ratings of users spread over eight years
SESSION_LENGTH = 12.0  # interactions, mean
SESSION_GAP_S = 10 * 86_400.0  # mean between two sessions
CELLS = 4_000_000  # user x item scores held at a time: 16 MB of float32 each
ROWS = 1_000_000  # rows written at a time


@dataclass(frozen=True)
class Summary:
    """What was written."""

    users: int
    items: int
    interactions: int
    unrated_items: int  # items without any rating
    files: tuple[Path, Path]  # ratings.csv, movies.csv


@dataclass(frozen=True)
class _World:
    """What is hidden: all that utilities and ratings are made of, float32."""

    factors: NDArray[np.float32]  # [I, F], latent and genre factors of the items
    early: NDArray[np.float32]  # [U, F], tastes at the start of a user's life
    late: NDArray[np.float32]  # [U, F], and at its end
    popularity: NDArray[np.float32]  # [I], log units, at mid-calendar; -inf: nobody rates it
    trend: NDArray[np.float32]  # [I], log units over the calendar
    quality: NDArray[np.float32]  # [I], stars
    kindness: NDArray[np.float32]  # [U], stars
    start: NDArray[np.float32]  # [U], when a user joins, 0 to 1 of the calendar


def synthesize(
    out: Path,
    users: int = 1000,
    items: int = 2000,
    interactions: int = 100_000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Writes `ratings.csv` and `movies.csv` with something to learn in them.

    Each user draws items without replacement by popularity (Zipf, rising or falling over the
    calendar) and taste (latent factors and genres, moving over the user's life), in sessions.
    About 2 % of the items get no rating. Time and memory grow with users x items and with
    interactions. The same arguments give the same bytes.

    Args:
        out: the folder to write, created if missing; files of these names are replaced.
        users: at least 1; each gets at least one interaction.
        items: at least 2.
        interactions: ratings in all, from `users` up to what the rated items allow.
        seed: of the random numbers, at least 0.
        progress: called with interactions made so far and interactions in all.

    Raises:
        ValueError: if the numbers do not fit together.
    """
    unrated = max(1, round(items * UNRATED_FRACTION))
    _check(users, items, interactions, seed, items - unrated)
    random = np.random.default_rng(seed)
    genres = titles.draw_genres(random, items)
    world = _make_world(random, users, items, unrated, genres)
    counts = _activity(random, users, interactions, items - unrated)
    item, rating = _choose(random, world, counts, progress)
    timestamp = _times(random, world.start, counts)
    out.mkdir(parents=True, exist_ok=True)
    ratings_file, movies_file = out / "ratings.csv", out / "movies.csv"
    _write_ratings(ratings_file, counts, item, rating, timestamp)
    titles.write_catalogue(movies_file, random, genres)
    return Summary(
        users=users,
        items=items,
        interactions=interactions,
        unrated_items=items - len(np.unique(item)),
        files=(ratings_file, movies_file),
    )


def _check(users: int, items: int, interactions: int, seed: int, rated: int) -> None:
    for name, value, least in (("users", users, 1), ("items", items, 2), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {value}.")
    if not users <= interactions <= users * rated:
        raise ValueError(
            f"interactions must be between {users}, one a user, and {users * rated}, each user "
            f"with each of the {rated} items that are ever rated. Received: {interactions}. "
            "Change interactions, users or items."
        )


def _make_world(
    random: np.random.Generator,
    users: int,
    items: int,
    unrated: int,
    genres: NDArray[np.bool_],
) -> _World:
    def normal(*shape: int) -> NDArray[np.float32]:
        return random.standard_normal(shape, dtype=np.float32)

    latent = normal(items, LATENT_SIZE) * np.float32(LATENT_WEIGHT / np.sqrt(LATENT_SIZE))
    share = genres / np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))
    factors = np.hstack([latent, (share * GENRE_WEIGHT).astype(np.float32)])
    taste = normal(users, factors.shape[1])
    move = normal(users, factors.shape[1]) * np.float32(TASTE_DRIFT / 2)
    rank = random.permutation(items)
    popularity = (-ZIPF_EXPONENT * np.log(rank + ZIPF_OFFSET)).astype(np.float32)
    popularity[random.choice(items, unrated, replace=False)] = -np.inf
    return _World(
        factors=factors,
        early=taste - move,
        late=taste + move,
        popularity=popularity,
        trend=normal(items) * np.float32(TREND_WEIGHT),
        quality=normal(items) * np.float32(0.35),
        kindness=normal(users) * np.float32(0.35),
        start=random.random(users, dtype=np.float32),
    )


def _activity(
    random: np.random.Generator, users: int, interactions: int, most: int
) -> NDArray[np.int64]:
    """Returns int64 [U], interactions of each user: log-normal, 1 to `most`, summing up."""
    weight = random.lognormal(sigma=ACTIVITY_SIGMA, size=users)
    counts = np.full(users, max(1, min(MIN_ACTIVITY, interactions // users // 2)), dtype=np.int64)
    # Those who are full pass on what they cannot take, until all of it has been handed out.
    while left := interactions - int(counts.sum()):
        open_users = np.flatnonzero(counts < most)
        open_weight = weight[open_users]
        extra = np.floor(left * open_weight / open_weight.sum()).astype(np.int64)
        if not extra.any():
            extra[np.argsort(-open_weight, kind="stable")[:left]] = 1
        counts[open_users] = np.minimum(counts[open_users] + extra, most)
    return counts


def _blocks(counts: NDArray[np.int64], items: int) -> Iterator[NDArray[np.int64]]:
    """Yields users in blocks of similar activity, so that a block's longest list wastes little."""
    order = np.argsort(counts, kind="stable")
    size = max(1, CELLS // items)
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _choose(
    random: np.random.Generator,
    world: _World,
    counts: NDArray[np.int64],
    progress: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Returns items, int32 [N], and ratings in half stars, int8 [N], by user, in order of time."""
    total = int(counts.sum())
    item = np.empty(total, dtype=np.int32)
    rating = np.empty(total, dtype=np.int8)
    first = np.cumsum(counts) - counts
    done = 0
    for block in _blocks(counts, len(world.popularity)):
        rows, chosen = _draw_items(random, world, block, counts[block])
        person = block[rows]
        affinity = np.einsum(
            "nf,nf->n", world.factors[chosen], (world.early + world.late)[person] / 2
        )
        shift = world.trend[chosen] + np.einsum(
            "nf,nf->n", world.factors[chosen], (world.late - world.early)[person]
        )
        later = shift + ORDER_NOISE * random.standard_normal(len(rows), dtype=np.float32)
        order = np.lexsort((later, rows))
        slots = np.repeat(first[block], counts[block]) + _position(counts[block])
        item[slots] = chosen[order]
        stars = 2.8 + world.kindness[person] + world.quality[chosen] + 0.35 * affinity
        stars += 0.6 * random.standard_normal(len(rows), dtype=np.float32)
        rating[slots] = np.clip(np.rint(2 * stars[order]), 1, 10).astype(np.int8)
        done += len(rows)
        if progress:
            progress(done, total)
    return item, rating


def _position(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns int64 [N]: 0, 1, ... within each group of the sizes `counts`."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _draw_items(
    random: np.random.Generator, world: _World, block: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draws each user's items without replacement, by utility.

    Args:
        random: source of the draw.
        world: utilities.
        block: int64 [B], users.
        counts: int64 [B], items to draw for each.

    Returns:
        Row in the block and item, int64 [n] each, by row.

    Source: Efraimidis and Spirakis 2006, doi:10.1016/j.ipl.2005.11.003 (exponential keys).
    """
    taste = (world.early[block] + world.late[block]) / 2
    utility = taste @ world.factors.T
    utility += world.popularity + np.outer(world.start[block] - np.float32(0.5), world.trend)
    noise = random.standard_exponential(utility.shape, dtype=np.float32)
    # A draw of exactly 0 would have no logarithm, and beat -inf of an item that nobody rates.
    key = np.log(np.maximum(noise, np.finfo(np.float32).tiny)) - utility
    longest = int(counts.max())
    nearest = np.argpartition(key, longest - 1, axis=1)[:, :longest]
    order = np.argsort(np.take_along_axis(key, nearest, axis=1), axis=1)
    nearest = np.take_along_axis(nearest, order, axis=1)
    rows, columns = np.nonzero(np.arange(longest) < counts[:, None])
    return rows, nearest[rows, columns]


def _times(
    random: np.random.Generator, start: NDArray[np.float32], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Returns int64 [N], seconds since 1970 UTC, strictly increasing within each user."""
    total = int(counts.sum())
    gap = random.integers(5, 120, total)
    breaks = random.random(total, dtype=np.float32) < 1 / SESSION_LENGTH
    gap[breaks] += (random.standard_exponential(int(breaks.sum())) * SESSION_GAP_S).astype(np.int64)
    elapsed = np.cumsum(gap)
    first = np.cumsum(counts) - counts
    joined = CALENDAR_START + (start.astype(np.float64) * CALENDAR_S).astype(np.int64)
    return elapsed + np.repeat(joined - elapsed[first], counts)


def _write_ratings(
    file: Path,
    counts: NDArray[np.int64],
    item: NDArray[np.int32],
    rating: NDArray[np.int8],
    timestamp: NDArray[np.int64],
) -> None:
    user = np.repeat(np.arange(1, len(counts) + 1, dtype=np.int32), counts)
    stars = pa.array([f"{half / 2:.1f}" for half in range(11)])
    with file.open("wb") as sink:
        sink.write(b"userId,movieId,rating,timestamp\n")
        for begin in range(0, len(item), ROWS):
            part = slice(begin, begin + ROWS)
            # MovieLens lists a user's ratings by item, not by time.
            order = np.lexsort((item[part], user[part]))
            columns = [
                _text(user[part][order]),
                _text(item[part][order] + 1),
                stars.take(pa.array(rating[part][order])),
                compute.binary_join_element_wise(_text(timestamp[part][order]), "\n", ""),
            ]
            lines = compute.binary_join_element_wise(*columns, ",")
            # The values of a string array lie one after the other: they are the text to write.
            sink.write(memoryview(lines.buffers()[2]))


def _text(numbers: NDArray[np.int32] | NDArray[np.int64]) -> pa.StringArray:
    return pa.array(numbers).cast(pa.string())
