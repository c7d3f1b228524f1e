"""Options that several benchmarks take."""

from pathlib import Path
from typing import Annotated

import typer

DataFolder = Annotated[Path, typer.Option(help="A data folder in the default format.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Configuration override, KEY=VALUE.")
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Writes the results to this file.")]
