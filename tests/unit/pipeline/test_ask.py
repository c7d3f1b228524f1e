import io
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from tensorflow_serving.apis import predict_pb2

from pipeline.ask import recommend_tables, similar_tables
from serving.client_errors import ServerUnavailableError
from serving.context import Context

Outputs = Mapping[str, Sequence[object]]
Serve = Callable[[Mapping[str, Outputs]], str]
TITLES: Outputs = {
    "title": ["[bold]Alien[/bold] [/", "Élan"],
    "category": [["[red]", "b"], ["c", ""]],
}

ONE_TITLE: Outputs = {"title": ["Élan"], "category": [["c"]]}


def printed(tables: Iterable[Table]) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    for table in tables:
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_shows_brackets_as_text_when_titles_and_ids_hold_them(serve_answers: Serve) -> None:
    found: Outputs = {
        "item_id": [["1", "2"]],
        "score": [[0.5, 0.25]],
        "source": [["two_tower", "popular"]],
    }
    target = serve_answers({"recommend": found, "describe_items": TITLES})
    lines = printed(recommend_tables(["[blue]7[/]"], 2, target))
    assert lines[0] == "For user [blue]7[/]"
    assert "│ 1 │ 1 │ [bold]Alien[/bold] [/ │ [red], b │ 0.500 │ two_tower │" in lines
    assert "│ 2 │ 2 │ Élan │ c │ 0.250 │ popular │" in lines


def test_makes_a_table_for_each_user_when_there_are_several(serve_answers: Serve) -> None:
    found: Outputs = {
        "item_id": [["1", ""], ["2", "1"]],  # "" pads
        "score": [[0.5, 0.0], [0.75, 0.5]],
        "source": [["popular", ""], ["popular", "popular"]],
    }
    target = serve_answers({"recommend": found, "describe_items": TITLES})
    first, second = recommend_tables(["a", "b"], 2, target)
    assert (str(first.title), first.row_count) == ("For user a", 1)
    assert (str(second.title), second.row_count) == ("For user b", 2)


def test_title_says_so_when_the_user_is_a_stranger(serve_answers: Serve) -> None:
    found: Outputs = {"item_id": [["1"]], "score": [[0.5]], "source": [["popular"]]}
    target = serve_answers({"recommend": found, "describe_items": ONE_TITLE})
    (table,) = recommend_tables([""], 1, target)
    assert str(table.title) == "For a stranger"


def test_context_holds_for_everyone_when_it_is_given(
    serve_answers: Serve, asked: list[predict_pb2.PredictRequest]
) -> None:
    found: Outputs = {
        "item_id": [["1"]] * 2,
        "score": [[0.5]] * 2,
        "source": [["neighbours"]] * 2,
    }
    target = serve_answers({"recommend_with_context": found, "describe_items": ONE_TITLE})
    tables = recommend_tables(["a", "b"], 1, target, Context(exclude=["9"], diversity=0.5))
    assert [table.row_count for table in tables] == [1, 1]
    inputs = {name: tf.make_ndarray(value).tolist() for name, value in asked[0].inputs.items()}
    assert inputs["exclude_item_id"] == [[b"9"], [b"9"]]
    assert inputs["diversity"] == [0.5, 0.5]


def test_names_what_the_catalogue_lacks_when_the_context_has_it(serve_answers: Serve) -> None:
    nothing: Outputs = {"item_id": [[""]], "score": [[0.0]], "source": [[""]]}
    # Of [b]8, 9 and 10, each asked for once, the middle one is known.
    described: Outputs = {"title": ["", "Nine", ""], "category": [[""]] * 3}
    target = serve_answers({"recommend_with_context": nothing, "describe_items": described})
    context = Context(history=["[b]8", "9"], exclude=["10", "9"])
    text = " ".join(printed(recommend_tables(["a"], 1, target, context)))
    assert "nothing is left to recommend; ignored, for the" in text
    assert "catalogue has no such item: [b]8, 10" in text


def test_shows_the_title_and_no_source_when_items_are_similar(serve_answers: Serve) -> None:
    described: Outputs = {"title": ["[i]Alien"], "category": [["c"]]}
    found: Outputs = {"item_id": [["1"]], "score": [[0.5]]}
    target = serve_answers({"similar_items": found, "describe_items": described})
    lines = printed(similar_tables(["9"], 1, target))
    assert lines[0] == "Like [i]Alien"
    assert "│ 1 │ 1 │ [i]Alien │ c │ 0.500 │" in lines


def test_says_so_when_nothing_is_similar(serve_answers: Serve) -> None:
    described: Outputs = {"title": [""], "category": [[""]]}
    found: Outputs = {"item_id": [["", ""]], "score": [[0.0, 0.0]]}
    target = serve_answers({"similar_items": found, "describe_items": described})
    lines = printed(similar_tables(["[9]"], 2, target))
    assert lines[0] == "Like [9]"
    assert "nothing: the id is unknown" in " ".join(lines)


def test_names_the_target_when_no_server_is_there() -> None:
    with pytest.raises(ServerUnavailableError, match="No server at 127.0.0.1:1; start one"):
        list(recommend_tables(["1"], 5, "127.0.0.1:1"))
