import io
import logging
import re

import pytest
from rich.console import Console

from models import progress
from pipeline.progress_display import ProgressDisplay


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_prints_a_line_a_component_when_it_ends(console: Console) -> None:
    display = ProgressDisplay(console, 12)
    with display.component("Transform"):
        assert text_of(console) == ""
    with display.component("Pusher") as timing:
        timing.cached = True
    first, second = text_of(console).splitlines()
    assert re.fullmatch(r" 1/12 Transform +0\.\d s", first)
    assert re.fullmatch(r" 2/12 Pusher +reused", second)


def test_keeps_the_timings_when_components_end(console: Console) -> None:
    display = ProgressDisplay(console, 2)
    with display.component("Transform"):
        pass
    with display.component("Pusher") as timing:
        timing.cached = True
    assert [(t.id, t.cached) for t in display.timings] == [("Transform", False), ("Pusher", True)]
    assert all(0.0 <= t.seconds < 5.0 for t in display.timings)


def test_says_which_component_failed_when_it_raises(console: Console) -> None:
    display = ProgressDisplay(console, 2)
    with pytest.raises(ValueError, match="went wrong"), display.component("Transform"):
        raise ValueError("went wrong")
    assert re.fullmatch(r" 1/2 Transform +failed\n", text_of(console))
    assert display.timings == []


def test_shows_messages_as_they_are_when_they_hold_brackets(console: Console) -> None:
    display = ProgressDisplay(console, 1)
    with display.component("Trainer"):
        progress.report("epoch 1 of 2 [red]0.5[/red] [/")
    assert "      epoch 1 of 2 [red]0.5[/red] [/\n" in text_of(console)


def test_prints_no_message_lines_when_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    display = ProgressDisplay(console, 1)
    with display.component("Trainer"):
        progress.report("epoch 1 of 2")
    # The moving line is wiped; what stays is the line of the component.
    assert "      epoch 1 of 2" not in text_of(console)
    assert re.search(r" 1/1 Trainer +0\.\d s", text_of(console))


def test_stops_listening_when_the_component_has_ended(console: Console) -> None:
    display = ProgressDisplay(console, 1)
    with display.component("Trainer"):
        pass
    before = text_of(console)
    progress.report("late")
    assert text_of(console) == before
    assert logging.getLogger(progress.PROGRESS_LOGGER).handlers == []
