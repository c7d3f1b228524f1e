"""Installs a pinned uv into a folder, with whatever python3 there is.

Usage: bootstrap_uv.py FOLDER VERSION
"""

import subprocess
import sys
from pathlib import Path


def main(folder: str, version: str) -> None:
    """Makes FOLDER/bin/uv, by a virtual environment or, without the venv module, by pip."""
    package = f"uv=={version}"
    quiet = ["--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        command = [str(Path(folder, "bin", "python")), "-m", "pip", "install", *quiet, package]
    except subprocess.CalledProcessError:
        command = [sys.executable, "-m", "pip", "install", *quiet, "--prefix", folder, package]
    if subprocess.run(command).returncode:
        sys.exit(f"{package} could not be installed: python3 needs the module venv or pip.")


if __name__ == "__main__":
    main(*sys.argv[1:])
