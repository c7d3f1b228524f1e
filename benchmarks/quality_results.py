"""What the served recommender and the classic ones reached, and the table of it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

from rich.table import Table

from benchmarks.metrics import COVERAGE_K, NDCG_K, RECALL_K, SHORT_RECALL_K, Quality

SERVED_NAME = "Marquee (served)"
REPEATED_NAME = "Marquee"  # before the seed
COLUMNS = (
    f"nDCG@{NDCG_K}",
    f"recall@{SHORT_RECALL_K}",
    f"recall@{RECALL_K}",
    "MRR",
    f"coverage@{COVERAGE_K}",
    "ms",
)


@dataclass(frozen=True)
class ServedResult:
    """What the model of one run reached.

    Attributes:
        seed: of the run; None where it is the configured one.
        quality: of the test users' lists.
        median_ms: of requests for one user and a whole list.
        seen: items served to users who have them in their training history: must be 0.
        run_seconds: of `marquee run`, wall time.
        run_peak_bytes: of `marquee run`, resident.
    """

    seed: int | None
    quality: Quality
    median_ms: float
    seen: int
    run_seconds: float
    run_peak_bytes: int

    @property
    def name(self) -> str:
        """What the table calls it."""
        return SERVED_NAME if self.seed is None else f"{REPEATED_NAME}, seed {self.seed}"


def mean_quality(results: Sequence[ServedResult]) -> Quality:
    """Returns the mean of each measure over at least one run."""
    rows = [astuple(result.quality) for result in results]
    return Quality(*(statistics.fmean(column) for column in zip(*rows, strict=True)))


def mean_ms(results: Sequence[ServedResult]) -> float:
    """Returns the mean of the runs' median milliseconds."""
    return statistics.fmean(result.median_ms for result in results)


def table_of(served: Sequence[ServedResult], classic: Mapping[str, Quality]) -> Table:
    """Returns a row for each run, for their mean where there are several, and each other."""
    table = Table("recommender")
    for column in COLUMNS:
        # Where there is little room, names are broken, numbers are not.
        table.add_column(column, justify="right", no_wrap=True)
    rows = [(result.name, result.quality, f"{result.median_ms:.1f}") for result in served]
    if len(served) > 1:
        mean = f"{REPEATED_NAME}, mean of {len(served)}"
        rows.append((mean, mean_quality(served), f"{mean_ms(served):.1f}"))
    rows += [(name, quality, "–") for name, quality in classic.items()]
    for name, quality, milliseconds in rows:
        table.add_row(name, *(f"{value:.4f}" for value in astuple(quality)), milliseconds)
    return table


def as_json(
    served: Sequence[ServedResult], classic: Mapping[str, Quality]
) -> dict[str, list[object] | dict[str, object]]:
    """Returns the figures of the table, and what the runs took."""
    return {
        "served": [asdict(result) for result in served],
        "mean": {**asdict(mean_quality(served)), "median_ms": mean_ms(served)},
        "classic": {name: asdict(quality) for name, quality in classic.items()},
    }
