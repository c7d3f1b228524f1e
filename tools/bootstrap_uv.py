"""Installs a pinned uv into a folder, with whatever python3 there is.

Usage: bootstrap_uv.py FOLDER VERSION

Tries a virtual environment, then pip alone, then the wheel itself: Debian's python3 comes without
either module.
"""

import hashlib
import html
import io
import re
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

INDEX = "https://pypi.org/simple/uv/"
WHEEL = "uv-{version}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
SHA256 = "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984"
TIMEOUT_S = 120.0


def main(folder: str, version: str) -> None:
    """Makes FOLDER/bin/uv."""
    for install in (by_venv, by_pip, by_wheel):
        try:
            install(Path(folder), version)
            return
        except (subprocess.CalledProcessError, OSError, ValueError) as err:
            problem = err
    sys.exit(
        f"uv {version} could not be installed: python3 with venv or pip, or a way to {INDEX} "
        f"was expected. Received: {problem}"
    )


def by_venv(folder: Path, version: str) -> None:
    """Installs into a virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
    _pip([str(folder / "bin" / "python")], f"uv=={version}")


def by_pip(folder: Path, version: str) -> None:
    """Installs with this Python's pip."""
    _pip([sys.executable], "--upgrade", "--target", str(folder), f"uv=={version}")


def by_wheel(folder: Path, version: str) -> None:
    """Fetches the wheel, checks it and takes uv out of it."""
    name = WHEEL.format(version=version)
    with urllib.request.urlopen(INDEX, timeout=TIMEOUT_S) as answer:
        page = answer.read().decode()
    link = re.search(rf'href="([^"#]*/{re.escape(name)})', page)
    if link is None:
        raise ValueError(f"{INDEX} does not list {name}")
    url = urllib.parse.urljoin(INDEX, html.unescape(link[1]))
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{url} does not have the SHA-256 {SHA256}")
    target = folder / "bin" / "uv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        target.write_bytes(wheel.read(f"uv-{version}.data/scripts/uv"))
    target.chmod(0o755)


def _pip(python: list[str], *arguments: str) -> None:
    command = [*python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments], check=True, stderr=subprocess.PIPE)


if __name__ == "__main__":
    main(*sys.argv[1:])
