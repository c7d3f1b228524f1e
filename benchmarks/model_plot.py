"""Draws quality against the time of fitting: the same figures give the same bytes."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.model_results import Result

SIZE_INCHES = (8.0, 5.0)
LABEL_GAP = 0.032  # least distance of two labels, in heights of the plot
MIN_SECONDS = 0.1  # where the axis starts: most-popular takes less
MARGIN = 0.08  # above and below the points, in their range
X_MARGIN = 3.0  # left of the first point, as a factor
LABEL_ROOM = 12.0  # right of the last point, as a factor


def draw(results: Sequence[Result], file: Path) -> None:
    """Writes a plot of nDCG@10 against seconds of fitting.

    Args:
        results: at least one.
        file: SVG to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings = {"svg.hashsalt": "marquee", "svg.fonttype": "none", "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")
        seconds = [max(result.fit_seconds, MIN_SECONDS) for result in results]
        heights = [result.quality.ndcg_at_10 for result in results]
        low, high = min(heights), max(heights)
        room = MARGIN * (high - low or 1.0)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(min(seconds) / X_MARGIN, max(seconds) * LABEL_ROOM)
        axes.set_ylim(low - room, high + room)
        axes.set_xlabel("seconds to fit")
        axes.set_ylabel("nDCG@10")
        axes.grid(alpha=0.3)
        axes.scatter(seconds, heights, zorder=3)
        gap = LABEL_GAP * (high - low + 2.0 * room)
        for result, x, y, label in zip(
            results, seconds, heights, label_heights(heights, gap), strict=True
        ):
            axes.annotate(
                result.name,
                (x, y),
                xytext=(x * 1.3, label),
                va="center",
                fontsize=9,
                arrowprops={"arrowstyle": "-", "lw": 0.5, "alpha": 0.5},
            )
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def label_heights(heights: Sequence[float], gap: float) -> list[float]:
    """Moves labels up until each has room, in the order of what they name.

    Args:
        heights: of the points.
        gap: least distance of two labels.

    Returns:
        The heights of the labels, in the points' order.
    """
    placed = list(heights)
    order = sorted(range(len(placed)), key=lambda place: (placed[place], place))
    for below, above in zip(order[:-1], order[1:], strict=True):
        placed[above] = max(placed[above], placed[below] + gap)
    return placed
