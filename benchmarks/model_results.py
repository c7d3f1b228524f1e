"""What models reached, and the table of it."""

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from benchmarks.metrics import COVERAGE_K, NDCG_K, RECALL_K, Quality

COLUMNS = (
    f"nDCG@{NDCG_K}",
    f"recall@{RECALL_K}",
    "MRR",
    f"coverage@{COVERAGE_K}",
    "RMSE",
    "fit s",
    "ms",
    "parameters",
)


@dataclass(frozen=True)
class Result:
    """What one model reached.

    Attributes:
        name: of the model.
        quality: of the test users' lists.
        rmse: of held-out ratings; None where the family predicts none.
        fit_seconds: of fitting, calibration and, where there is one, the low rank served.
        query_ms: median of single users, from features to a list.
        parameters: numbers learned.
    """

    name: str
    quality: Quality
    rmse: float | None
    fit_seconds: float
    query_ms: float
    parameters: int


@dataclass(frozen=True)
class Failure:
    """A model that could not be fitted, and why."""

    name: str
    error: str


Row = Result | Failure


def table_of(title: str, rows: list[Row]) -> Table:
    """Returns one line a model."""
    table = Table(title=title, title_justify="left")
    table.add_column("model", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if isinstance(row, Failure):
            table.add_row(Text(row.name), Text("failed", style="red"))
            continue
        quality = row.quality
        table.add_row(
            Text(row.name),
            f"{quality.ndcg_at_10:.4f}",
            f"{quality.recall_at_100:.4f}",
            f"{quality.mrr:.4f}",
            f"{quality.coverage_at_10:.4f}",
            "–" if row.rmse is None else f"{row.rmse:.4f}",
            f"{row.fit_seconds:.1f}",
            f"{row.query_ms:.2f}",
            f"{row.parameters:,}",
        )
    return table
