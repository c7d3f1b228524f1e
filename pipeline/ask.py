"""Tables of what a server answers."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from serving.client import Recommendation, RecommenderClient
from serving.client_errors import ModelNotReadyError
from serving.context import Context

LOAD_TIMEOUT_S = 60.0  # for a server that has just been started to load its model

_Answer = TypeVar("_Answer")


def recommend_tables(
    user_ids: Sequence[str], k: int, target: str, context: Context | None = None
) -> Iterator[Table]:
    """Yields a table of recommendations for each user; `context` holds for all of them.

    What it names that the catalogue lacks is told under each table.
    """
    context = context or Context()
    contexts = [context] * len(user_ids)
    named = list(dict.fromkeys([*context.history, *context.exclude]))
    with RecommenderClient(target) as client:
        lists = _once_loaded(client, lambda: client.recommend_many(user_ids, k, contexts))
        unknown = [item.item_id for item in client.describe(named) if not item.title]
    for user_id, found in zip(user_ids, lists, strict=True):
        title = f"For user {user_id}" if user_id else "For a stranger"
        table = _table(title, found, with_source=True)
        if unknown:
            ignored = f"ignored, for the catalogue has no such item: {', '.join(unknown)}"
            caption = f"{table.caption}; {ignored}" if table.caption else ignored
            # Text, as below; the style is what rich gives to a str.
            table.caption = Text(caption, style="table.caption")
        yield table


def similar_tables(item_ids: Sequence[str], k: int, target: str) -> Iterator[Table]:
    """Yields a table of related items for each item."""
    with RecommenderClient(target) as client:
        described = _once_loaded(client, lambda: client.describe(item_ids))
        for item_id, description in zip(item_ids, described, strict=True):
            found = client.similar(item_id, k)
            yield _table(f"Like {description.title or item_id}", found, with_source=False)


def _once_loaded(client: RecommenderClient, ask: Callable[[], _Answer]) -> _Answer:
    try:
        return ask()
    except ModelNotReadyError:
        # A server answers before its model is loaded; one that is not there is not waited for.
        client.wait_until_ready(LOAD_TIMEOUT_S)
        return ask()


def _table(title: str, found: Sequence[Recommendation], with_source: bool) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("id", overflow="fold")
    table.add_column("title")
    table.add_column("categories")
    table.add_column("score", justify="right")
    if with_source:
        table.add_column("source", overflow="fold")
    for place, item in enumerate(found, start=1):
        # Text, not str: rich would read brackets in a title as markup.
        row: list[Text | str] = [
            str(place),
            Text(item.item_id),
            Text(item.title),
            Text(", ".join(item.categories)),
            f"{item.score:.3f}",
        ]
        table.add_row(*row, *([item.source] if with_source else []))
    if not found:
        table.caption = "nothing: the id is unknown, or nothing is left to recommend"
    return table
