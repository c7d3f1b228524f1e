"""What `benchmarks.servable` measured: its tables, and whether its limits hold."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from benchmarks.large_build import BuildResult
from benchmarks.one_core import SearchResult, Times
from models import contract

GIB = 2**30
MOST_MS = 5.0  # of a recommendation for one user
MOST_RATIO = 4.0  # of it to the bare retrieval
MOST_MINUTES = 10.0
MOST_GIB = 8.0
MOST_WHILE_SAVING = 2.0  # times the bundle
LEAST_RECALL = 0.98
LEAST_SPEEDUP = 40.0
TAIL_PERCENT = 99


@dataclass(frozen=True)
class Limit:
    """Something measured, and what it may be.

    Attributes:
        name: of what was measured, with its unit.
        value: what it is.
        bound: the most it may be, or the least.
        at_least: whether the bound is the least.
    """

    name: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def median_ms(times: Sequence[Times], name: str, batch: int) -> float:
    """Returns the median milliseconds of the calls of a name and batch.

    Raises:
        ValueError: if there are none.
    """
    for one in times:
        if (one.name, one.batch) == (name, batch):
            return statistics.median(one.milliseconds)
    raise ValueError(
        f"calls of {name} for {batch} were expected. Received: none. Measure them first."
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """Returns the smallest value that `percent` in 100 of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def calls_table(calls: Sequence[Times]) -> Table:
    """Returns one row a call and batch, with its ratio to the retrieval of the same batch."""
    table = _table(
        "Calls in process, one core, lists of 10",
        "call",
        "users",
        "median ms",
        f"p{TAIL_PERCENT} ms",
        "processor ms",
        "of retrieve",
    )
    for times in calls:
        median = statistics.median(times.milliseconds)
        retrieve = median_ms(calls, contract.RETRIEVE, times.batch)
        table.add_row(
            times.name,
            f"{times.batch}",
            f"{median:.2f}",
            f"{percentile(times.milliseconds, TAIL_PERCENT):.2f}",
            f"{statistics.median(times.processor):.2f}",
            f"{median / retrieve:.2f}",
        )
    return table


def phases_table(result: BuildResult) -> Table:
    """Returns one row a phase of the build."""
    table = _table(
        f"A servable of {result.items:,} items, {result.dimension} dimensions: "
        f"{result.bundle_bytes / GIB:.2f} GiB",
        "what the builder says",
        "seconds",
        "peak GiB",
    )
    for phase in result.phases:
        table.add_row(Text(phase.name), f"{phase.seconds:.1f}", f"{phase.peak_bytes / GIB:.2f}")
    table.add_section()
    table.add_row("whole build", f"{result.seconds:.1f}", f"{result.peak_bytes / GIB:.2f}")
    return table


def search_table(result: SearchResult) -> Table:
    """Returns one row a batch."""
    table = _table(
        "Its index on one core, 100 nearest",
        "queries",
        "index ms",
        "exact ms",
        "faster",
        "recall@100",
    )
    for batch in sorted({times.batch for times in result.times}):
        index, exact = (median_ms(result.times, name, batch) for name in ("index", "exact"))
        cells = (f"{batch}", f"{index:.3f}", f"{exact:.2f}", f"{exact / index:.0f} times")
        table.add_row(*cells, f"{result.recall:.4f}")
    return table


def call_limits(calls: Sequence[Times]) -> list[Limit]:
    """Returns the limits of a call for one user."""
    recommend = median_ms(calls, contract.RECOMMEND, 1)
    ratio = recommend / median_ms(calls, contract.RETRIEVE, 1)
    return [
        Limit("recommend for one user, median ms", recommend, MOST_MS),
        Limit("recommend for one user, times retrieve", ratio, MOST_RATIO),
    ]


def build_limits(result: BuildResult) -> list[Limit]:
    """Returns the limits of a large build."""
    return [
        Limit("build, minutes", result.seconds / 60.0, MOST_MINUTES),
        Limit("build, peak GiB", result.peak_bytes / GIB, MOST_GIB),
        Limit(
            "memory while saving, times the bundle",
            result.saving_bytes / result.bundle_bytes,
            MOST_WHILE_SAVING,
        ),
    ]


def search_limits(result: SearchResult) -> list[Limit]:
    """Returns the limits of a large index."""
    index, exact = (median_ms(result.times, name, 1) for name in ("index", "exact"))
    return [
        Limit("index, recall@100", result.recall, LEAST_RECALL, at_least=True),
        Limit("index, times faster than exact", exact / index, LEAST_SPEEDUP, at_least=True),
    ]


def limits_table(limits: Sequence[Limit]) -> Table:
    """Returns one row a limit."""
    table = _table("Limits", "measured", "value", "limit", "")
    for limit in limits:
        sign = "≥" if limit.at_least else "≤"
        verdict = Text("held", "green") if limit.holds else Text("missed", "bold red")
        table.add_row(limit.name, f"{limit.value:.3g}", f"{sign} {limit.bound:g}", verdict)
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
