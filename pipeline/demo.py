"""`make run`'s last step: serves what was pushed and asks for three users, over gRPC."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.layout import OutputLayout
from serving.subprocess_server import ServerFailedError, running_server

USERS = ("1", "2", "3")
LOG_FILE = "serve.log"


def main(
    output: Annotated[Path, typer.Option(help="Output folder of a run.", metavar="DIR")],
) -> None:
    """Serve what was pushed on a free port and print three users' recommendations."""
    layout = OutputLayout(output)
    try:
        with running_server(layout.serving, layout.logs / LOG_FILE) as target:
            raise typer.Exit(recommend(target))
    except ServerFailedError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err


def recommend(target: str) -> int:
    """Shows and runs the command that asks the server at `target`; returns its exit code."""
    arguments = ["recommend", "--target", target]
    arguments += [word for user in USERS for word in ("--user", user)]
    typer.echo(f"$ marquee {' '.join(arguments)}")
    return subprocess.run([sys.executable, "-m", "pipeline", *arguments]).returncode


if __name__ == "__main__":
    typer.run(main)
