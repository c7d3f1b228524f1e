"""A progress bar over models that are fitted one after the other."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.model_results import Failure, Row
from models.progress import PROGRESS_LOGGER


@contextmanager
def family_bar(
    console: Console, total: int
) -> Iterator[tuple[Callable[[str], None], Callable[[Sequence[Row]], None]]]:
    """Shows a bar over candidates, and the last line that a training reported.

    Args:
        console: to show it on.
        total: number of candidates.

    Yields:
        To be called with the name of what is fitted, and with the rows of what is done.
    """
    # The text last: it is cut where the terminal ends, and the bar stays where it is.
    text = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), text)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)
        name = ""

        def show(current: str) -> None:
            nonlocal name
            name = current
            progress.update(task, description=name)

        def finished(rows: Sequence[Row]) -> None:
            for row in rows:
                progress.console.print(_line(row), markup=False, highlight=False, soft_wrap=True)
            console.file.flush()  # it holds back what goes to a file
            progress.advance(task)

        class Latest(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                progress.update(task, description=f"{name} ({record.getMessage()})")

        logger, handler = logging.getLogger(PROGRESS_LOGGER), Latest(logging.INFO)
        logger.addHandler(handler)
        try:
            yield show, finished
        finally:
            logger.removeHandler(handler)


def _line(row: Row) -> str:
    if isinstance(row, Failure):
        return f"{row.name} failed: {row.error}"
    return f"{row.name}: nDCG@10 {row.quality.ndcg_at_10:.4f}, fitted in {row.fit_seconds:.1f} s"
