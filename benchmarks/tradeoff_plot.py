"""Draws what a number of candidates gives and costs: the same figures give the same bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.tradeoff import Point

SIZE_INCHES = (10.0, 3.4)
HEADROOM = 1.15  # of the axes that start at 0


def draw(points: "Sequence[Point]", file: Path) -> None:
    """Writes three plots beside each other: order, recall and time against candidates.

    Args:
        points: at least one, in ascending order.
        file: SVG to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings = {"svg.hashsalt": "marquee", "svg.fonttype": "none", "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        figure, (order, recall, time) = pyplot.subplots(
            1, 3, figsize=SIZE_INCHES, layout="constrained"
        )
        _lines(order, points, {"final list": "ndcg_at_10"})
        order.set_ylabel("nDCG@10")
        _lines(recall, points, {"candidates": "candidate_recall", "first 100": "recall_at_100"})
        recall.set_ylabel("recall")
        _lines(time, points, {"recommend": "processor_ms", "retrieve": "retrieve_ms"})
        time.set_ylabel("processor ms for one user")
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def _lines(axes: Any, points: "Sequence[Point]", fields: dict[str, str]) -> None:
    numbers = [point.candidates for point in points]
    highest = 0.0
    for label, field in fields.items():
        values = [getattr(point, field) for point in points]
        axes.plot(numbers, values, marker="o", label=label)
        highest = max(highest, *values)
    axes.set_ylim(0.0, HEADROOM * highest)
    axes.set_xticks(numbers)
    axes.set_xlabel("candidates")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
