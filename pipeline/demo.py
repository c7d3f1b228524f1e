"""`make run`'s last step: serves what was pushed and asks for three users, over gRPC."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

USERS = ("1", "2", "3")
START_TIMEOUT_S = 120.0
POLL_S = 0.2


def main(
    output: Annotated[Path, typer.Option(help="Output folder of a run.", metavar="DIR")],
) -> None:
    """Serve OUT/serving on a free port and print three users' recommendations."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _server(output / "serving") as target:
        command = [sys.executable, "-m", "pipeline", "recommend", "--target", target]
        command += [word for user in USERS for word in ("--user", user)]
        typer.echo(f"$ marquee {' '.join(command[3:])}")
        raise typer.Exit(subprocess.run(command).returncode)


@contextmanager
def _server(model_dir: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        port_file = Path(scratch, "port")
        command = [sys.executable, "-m", "pipeline", "serve", "--model-dir", str(model_dir)]
        command += ["--port", "0", "--port-file", str(port_file)]
        with Path(scratch, "log").open("w+") as log:
            server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                deadline_s = time.monotonic() + START_TIMEOUT_S
                while not port_file.exists():
                    if server.poll() is not None or time.monotonic() > deadline_s:
                        log.seek(0)
                        sys.exit(f"the server did not start:\n{log.read()}")
                    time.sleep(POLL_S)
                yield f"127.0.0.1:{port_file.read_text()}"
            finally:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    typer.run(main)
