"""Compares WALS with the ALS of the package implicit: `python -m benchmarks.wals`.

Both fit the same interactions with the same factors, iterations, weights and threads, in turns, so
that whatever else the machine does slows both. implicit approximates each half step by three steps
of conjugate gradients, its default; WALS solves it exactly. One function gives both objectives.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import threadpoolctl
import typer
from implicit.cpu.als import AlternatingLeastSquares
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.retrieval.interaction_table import InteractionTable
from models.retrieval.wals import fit_wals, initial_factors
from models.retrieval.weighted_problem import WeightedFactors, WeightedProblem, objective

GROUPS = 50  # tastes, each of some users and items
OWN_GROUP = 0.7  # share of a user's choices from their own group
ZIPF_EXPONENT = 1.0  # of items by rank
ACTIVITY_DEVIATION = 1.0  # of the log of users' activity
UNOBSERVED_WEIGHT = 0.02
FACTORS = (32, 64)  # the family's default; and twice that, where exact solutions cost eight times
REGULARIZATION = 0.1


@dataclass(frozen=True)
class Result:
    """What one package reached.

    Attributes:
        seconds: wall time of each fit.
        objective: of the last.
    """

    seconds: list[float]
    objective: float

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)


def synthetic(users: int, items: int, interactions: int, seed: int) -> InteractionTable:
    """Makes implicit interactions of users and items in groups, items by Zipf's law.

    Args:
        users: how many; each has an interaction.
        items: how many.
        interactions: distinct pairs of user and item.
        seed: of everything random.

    Returns:
        The interactions.

    Raises:
        ValueError: if there are fewer interactions than users, or more than half of the table.
    """
    if not users <= interactions <= users * items // 2:
        raise ValueError(
            f"interactions must be between {users} and {users * items // 2}, half of the table. "
            f"Received: {interactions}. Ask for other sizes."
        )
    random = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, items + 1) ** ZIPF_EXPONENT
    popularity /= popularity.sum()
    activity = random.lognormal(0.0, ACTIVITY_DEVIATION, users)
    activity /= activity.sum()
    keys = _draw(np.arange(users), items, popularity, random)
    while len(keys) < interactions:
        more = random.choice(users, interactions, p=activity)
        more = np.setdiff1d(_draw(more, items, popularity, random), keys)
        keys = np.concatenate([keys, random.permutation(more)])
    user, item = np.divmod(np.sort(keys[:interactions]), items)
    return InteractionTable(user + 1, item + 1, np.ones(interactions, np.float32), users, items)


def _draw(
    user: npt.NDArray[np.int64],
    items: int,
    popularity: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Draws an item for each user, int64 [n]; a pair as user * items + item."""
    item = random.choice(items, len(user), p=popularity)
    # The item of the user's own group next to the drawn one, and so about as popular.
    own = np.minimum(item - item % GROUPS + user % GROUPS, items - 1)
    chosen = np.where(random.random(len(user)) < OWN_GROUP, own, item)
    return user * items + chosen


def compare(
    table: InteractionTable, factors: int, iterations: int, repeats: int, seed: int, threads: int
) -> tuple[Result, Result]:
    """Fits both in turns.

    Args:
        table: the interactions.
        factors: D.
        iterations: each of two half steps.
        repeats: fits of each.
        seed: of where the factors start.
        threads: of implicit; TensorFlow takes as many as there are processors.

    Returns:
        Results of WALS and of implicit.
    """
    problem = WeightedProblem(table, UNOBSERVED_WEIGHT, 0.0, REGULARIZATION)
    # From the same start: the objective has many minima, and a luckier one would decide.
    start = initial_factors(problem, factors, seed)
    # Traces TensorFlow's functions, which is paid once a process.
    fit_wals(problem, factors, 1, seed)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in track(range(repeats), "Fitting", console=Console(stderr=True), transient=True):
        own = _timed(ours, lambda: fit_wals(problem, factors, iterations, seed))
        other = _timed(theirs, lambda: _implicit(table, start, iterations, threads))
    return Result(ours, objective(problem, own)), Result(theirs, objective(problem, other))


def _timed(seconds: list[float], fit: Callable[[], WeightedFactors]) -> WeightedFactors:
    start = time.perf_counter()
    factors = fit()
    seconds.append(time.perf_counter() - start)
    return factors


def _implicit(
    table: InteractionTable, start: WeightedFactors, iterations: int, threads: int
) -> WeightedFactors:
    """Fits implicit's ALS, whose unobserved entries weigh 1: all weights are scaled to that."""
    # Its documentation: BLAS threads beside its own slow it down.
    with threadpoolctl.threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            start.items.shape[1],
            regularization=REGULARIZATION / UNOBSERVED_WEIGHT,
            alpha=1.0 / UNOBSERVED_WEIGHT,
            iterations=iterations,
            num_threads=threads,
        )
        model.user_factors = start.users[1:].copy()
        model.item_factors = start.items[1:].copy()
        model.fit(table.matrix(), show_progress=False)
    unknown = start.users[:1]
    return WeightedFactors(
        users=np.concatenate([unknown, model.user_factors]),
        items=np.concatenate([unknown, model.item_factors]),
        user_features=unknown[:0],
        item_features=unknown[:0],
    )


def report(ours: Result, theirs: Result) -> Table:
    """Returns a table of seconds, their ratio, and both objectives."""
    table = Table("solver", "seconds (median)", "from", "to", "ratio", "objective", "difference")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, result in (("implicit ALS", theirs), ("WALS", ours)):
        table.add_row(
            name,
            f"{result.median:.2f}",
            f"{min(result.seconds):.2f}",
            f"{max(result.seconds):.2f}",
            f"{result.median / theirs.median:.2f}",
            f"{result.objective:,.0f}",
            f"{100.0 * (result.objective / theirs.objective - 1.0):+.2f} %",
        )
    return table


def main(
    users: Annotated[int, typer.Option(min=1)] = 20_000,
    items: Annotated[int, typer.Option(min=2)] = 10_000,
    interactions: Annotated[int, typer.Option(min=1)] = 1_000_000,
    factors: Annotated[
        list[int] | None, typer.Option(min=1, help="May be given again; default: 32 and 64.")
    ] = None,
    iterations: Annotated[int, typer.Option(min=1)] = 15,
    repeats: Annotated[int, typer.Option(min=1, help="Fits of each, in turns.")] = 5,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Prints seconds and objectives of WALS and of implicit's ALS on the same interactions."""
    console = Console()
    threads = len(os.sched_getaffinity(0))
    table = synthetic(users, items, interactions, seed)
    console.print(
        f"{interactions:,} interactions, {users:,} users, {items:,} items, {iterations} "
        f"iterations, {threads} threads"
    )
    for number in factors or FACTORS:
        console.print(f"{number} factors")
        console.print(report(*compare(table, number, iterations, repeats, seed, threads)))


if __name__ == "__main__":
    typer.run(main)
