"""A progress bar for one task."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def task_bar(description: str) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a bar while the task runs, and removes it.

    Args:
        description: what is being done.

    Yields:
        To be called with what is done, and what there is to do or None if that is unknown.
    """
    with Progress(transient=True, disable=not Console().is_terminal) as progress:
        task = progress.add_task(description, total=None)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
