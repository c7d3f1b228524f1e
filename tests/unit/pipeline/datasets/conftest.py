"""Small archives in the formats of MovieLens."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

GENRES = ["unknown", "Action", "Children's", "Drama"]

MEMBERS: dict[str, dict[str, bytes]] = {
    "ml-100k": {
        "u.data": b"196\t242\t3\t881250949\n186\t2\t5\t891717742\n",
        "u.genre": "".join(f"{name}|{n}\n" for n, name in enumerate(GENRES)).encode() + b"\n",
        "u.item": (
            b"242|Kolya (1996)|24-Jan-1997||http://x|0|0|1|1\n"
            b"2|Mis\xe9rables, Les (1995)|01-Jan-1995||http://y|1|0|0|0\n"
        ),
        "u.user": b"196|49|M|writer|55105\n186|39|F|executive|00000\n",
    },
    "ml-1m": {
        "ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n",
        "movies.dat": (
            b"1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
            b"661::Cit\xe9, La (1995)::Children's|Drama\n"
        ),
        "users.dat": b"1::F::1::10::48067\n",
    },
    "ml-latest-small": {
        "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,1,4.0,964982703\r\n",
        "movies.csv": 'movieId,title,genres\r\n1,"Citée, La (1995)",Drama\r\n'.encode(),
        "links.csv": b"movieId,imdbId,tmdbId\n",
    },
}

MakeArchive = Callable[..., Path]


@pytest.fixture
def members() -> dict[str, dict[str, bytes]]:
    return {name: dict(files) for name, files in MEMBERS.items()}


@pytest.fixture
def make_archive(tmp_path: Path) -> MakeArchive:
    """Writes a zip file of the files of one data set, in the folder of its name."""

    def make(name: str, files: Mapping[str, bytes], extra: str | None = None) -> Path:
        archive = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            for member, content in files.items():
                opened.writestr(f"{name}/{member}", content)
            if extra:
                opened.writestr(extra, b"x")
        return archive

    return make
