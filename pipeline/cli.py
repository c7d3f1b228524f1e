"""The command line. Heavy modules are imported by the commands that need them."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from pipeline.interrupts import leave
from serving import defaults

if TYPE_CHECKING:
    from rich.table import Table

# What each exit code means is part of contract 1 (docs/commands.md).
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_REFUSED = 3

app = typer.Typer(
    help="A gated, hot-reloadable recommender out of interaction logs and a catalogue.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich's help costs a quarter of a second, half of what --help may take
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the interactions and the catalogue.", metavar="DIR"),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML laid over the defaults.", metavar="FILE")
]
Output = Annotated[
    Path, typer.Option("--output", help="Where models, reports and logs go.", metavar="DIR")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Sets one value of the configuration.", metavar="KEY.PATH=VALUE"),
]
Target = Annotated[str, typer.Option(help="The server to ask.", metavar="HOST:PORT")]
STRENGTH = "0..1"
ListLength = Annotated[int, typer.Option("--k", help="How many items.")]


def main() -> None:
    """Runs the command line; what a person can mend is told in one line, without a traceback."""
    # TensorFlow reads both when it is first imported, which no command has done by now.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from components.errors import GateError, MarqueeError

    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as err:
        command = getattr(getattr(err, "ctx", None), "command_path", "marquee")
        problem = err.format_message().rstrip(".")
        typer.echo(f"{problem}. See {command} --help." if problem else "", err=True)
        sys.exit(EXIT_BAD_INPUT)
    except GateError as err:
        typer.echo(_one_line(err), err=True)
        sys.exit(EXIT_REFUSED)
    except MarqueeError as err:
        typer.echo(_one_line(err), err=True)
        sys.exit(EXIT_BAD_INPUT)


@app.command()
def synthesize(
    out: Annotated[Path, typer.Option(help="Folder to write.", metavar="DIR")],
    users: Annotated[int, typer.Option(help="Number of users.")] = 1000,
    items: Annotated[int, typer.Option(help="Size of the catalogue.")] = 2000,
    interactions: Annotated[int, typer.Option(help="Ratings in all.")] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
) -> None:
    """Write a data set in MovieLens format with known hidden preferences."""
    from pipeline.datasets.synthesize import synthesize as write
    from pipeline.task_bar import task_bar

    try:
        with task_bar(f"writing {out}") as advance:
            written = write(out, users, items, interactions, seed, advance)
    except (ValueError, OSError) as err:
        _fail(err, EXIT_BAD_INPUT)
    typer.echo(
        f"{written.interactions:,} ratings by {written.users:,} users of {written.items:,} items "
        f"({written.unrated_items:,} of them unrated) in {out}"
    )


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="ml-latest-small, ml-100k, ml-1m or ml-25m.")],
    out: Annotated[Path, typer.Option(help="Folder to write.", metavar="DIR")],
    archive: Annotated[
        Path | None, typer.Option(help="A zip file at hand, not to be fetched.", metavar="FILE")
    ] = None,
) -> None:
    """Fetch a public data set, check it and convert it to MovieLens' current format."""
    from pipeline.datasets.download import download as fetch
    from pipeline.task_bar import task_bar

    with task_bar(f"fetching {name}") as advance:
        files = fetch(name, out, archive, advance)
    typer.echo("\n".join(str(file) for file in files))


@app.command()
def run(
    data: Data = None,
    config: ConfigFile = None,
    output: Output = Path("out"),
    overrides: Overrides = None,
) -> None:
    """Run the whole graph: train, evaluate, gate, push. Without --data, on synthetic data."""
    from pipeline.config import load_config
    from pipeline.run_command import RunFailedError, run_command

    try:
        pushed = run_command(load_config(config, overrides or []), data, output)
    except RunFailedError as err:
        _fail(err, EXIT_FAILED)
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        leave()
    if not pushed:
        raise typer.Exit(EXIT_REFUSED)


@app.command()
def serve(
    model_dir: Annotated[Path, typer.Option(help="OUT/serving of a run.", metavar="DIR")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = defaults.HOST,
    port: Annotated[int, typer.Option(help="Port of gRPC; 0 picks a free one.")] = defaults.PORT,
    port_file: Annotated[
        str, typer.Option(help="File to write the bound port to.", metavar="FILE")
    ] = "",
    poll_interval_s: Annotated[
        float, typer.Option(help="Seconds between two looks for new versions.")
    ] = defaults.POLL_INTERVAL_S,
    grace_s: Annotated[
        float, typer.Option(help="Seconds that running requests have to end.")
    ] = defaults.GRACE_S,
) -> None:
    """Serve pushed models over gRPC with TensorFlow Serving's API; new versions are loaded."""
    from serving.server import main as serve_main

    serve_main(
        model_dir=str(model_dir),
        host=host,
        port=port,
        port_file=port_file,
        poll_interval_s=poll_interval_s,
        grace_s=grace_s,
    )


@app.command()
def recommend(
    user: Annotated[list[str], typer.Option(help="A user's id; may be given again.", metavar="ID")],
    k: ListLength = 10,
    history: Annotated[
        list[str] | None,
        typer.Option(help="Items they have just chosen, newest first.", metavar="ID,ID"),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Items to leave out.", metavar="ID,ID")
    ] = None,
    exclude_category: Annotated[
        list[str] | None, typer.Option(help="Categories to leave out.", metavar="NAME,NAME")
    ] = None,
    diversity: Annotated[
        float | None,
        typer.Option(
            help="How much the items should differ; default: as configured.", metavar=STRENGTH
        ),
    ] = None,
    freshness: Annotated[
        float | None,
        typer.Option(help="How much new items move up; default: as configured.", metavar=STRENGTH),
    ] = None,
    target: Target = defaults.TARGET,
) -> None:
    """Ask a server what to recommend to users; an unknown one, or "", is fine."""
    from pipeline.ask import recommend_tables
    from serving.context import Context

    def answer() -> "Iterable[Table]":
        lists = (_listed(history), _listed(exclude), _listed(exclude_category))
        return recommend_tables(user, k, target, Context(*lists, diversity, freshness))

    _ask(answer)


@app.command()
def similar(
    item: Annotated[
        list[str], typer.Option(help="An item's id; may be given again.", metavar="ID")
    ],
    k: ListLength = 10,
    target: Target = defaults.TARGET,
) -> None:
    """Ask a server which items are related."""
    from pipeline.ask import similar_tables

    _ask(lambda: similar_tables(item, k, target))


def _listed(texts: list[str] | None) -> list[str]:
    parts = [part.strip() for text in texts or [] for part in text.split(",")]
    return [part for part in parts if part]


def _ask(answer: Callable[[], "Iterable[Table]"]) -> None:
    from serving.client_errors import ClientError, InvalidRequestError

    console = Console()
    try:
        for table in answer():
            console.print(table)
    except InvalidRequestError as err:
        _fail(err, EXIT_BAD_INPUT)
    except ClientError as err:
        _fail(err, EXIT_FAILED)


def _fail(err: Exception, code: int) -> NoReturn:
    typer.echo(_one_line(err), err=True)
    raise typer.Exit(code)


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())
