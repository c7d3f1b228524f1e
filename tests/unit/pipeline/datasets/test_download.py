import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.errors import DataError
from pipeline.datasets.download import download

Members = dict[str, dict[str, bytes]]
MakeArchive = Callable[..., Path]


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""

    def do_GET(self) -> None:  # noqa: N802
        if not self.path.startswith("/short"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"too short")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a web server whose files are those of tmp_path."""

    def handler(*args: object) -> _Handler:
        return _Handler(*args, directory=str(tmp_path))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_writes_csv_when_the_archive_is_ml_100k(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    out = tmp_path / "out"
    files = download("ml-100k", out, make_archive("ml-100k", members["ml-100k"]))
    assert [file.name for file in files] == ["movies.csv", "ratings.csv", "users.csv"]
    assert (out / "ratings.csv").read_text() == (
        "userId,movieId,rating,timestamp\n196,242,3,881250949\n186,2,5,891717742\n"
    )
    # 0011 are the flags of the third and fourth genre; "unknown" alone is none.
    assert (out / "movies.csv").read_text(encoding="utf-8") == (
        "movieId,title,genres\n242,Kolya (1996),Children's|Drama\n"
        '2,"Misérables, Les (1995)",(no genres listed)\n'
    )
    # The source says age before gender.
    assert (out / "users.csv").read_text() == (
        "userId,gender,age,occupation,zipCode\n196,M,49,writer,55105\n186,F,39,executive,00000\n"
    )


def test_writes_csv_when_the_archive_is_ml_1m(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    out = tmp_path / "out"
    download("ml-1m", out, make_archive("ml-1m", members["ml-1m"]))
    assert (out / "ratings.csv").read_text() == (
        "userId,movieId,rating,timestamp\n1,1193,5,978300760\n1,661,3,978302109\n"
    )
    assert (out / "movies.csv").read_text(encoding="utf-8") == (
        "movieId,title,genres\n1193,One Flew Over the Cuckoo's Nest (1975),Drama\n"
        '661,"Cité, La (1995)",Children\'s|Drama\n'
    )
    assert (out / "users.csv").read_text() == (
        "userId,gender,age,occupation,zipCode\n1,F,1,10,48067\n"
    )


def test_copies_two_members_when_the_archive_is_csv_already(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    out = tmp_path / "out"
    download("ml-latest-small", out, make_archive("ml-latest-small", members["ml-latest-small"]))
    assert sorted(file.name for file in out.iterdir()) == ["movies.csv", "ratings.csv"]
    assert "Citée, La" in (out / "movies.csv").read_text(encoding="utf-8")


def test_fetches_the_archive_when_none_is_at_hand(
    tmp_path: Path, make_archive: MakeArchive, members: Members, site: str
) -> None:
    size = make_archive("ml-latest-small", members["ml-latest-small"]).stat().st_size
    seen: list[tuple[int, int | None]] = []
    out = tmp_path / "out"
    download(
        "ml-latest-small", out, base_url=site, progress=lambda done, of: seen.append((done, of))
    )
    assert (out / "ratings.csv").read_bytes().endswith(b"1,1,4.0,964982703\r\n")
    assert seen[-1] == (size, size)


def test_says_that_the_checksum_differs_when_the_file_was_changed(
    tmp_path: Path, make_archive: MakeArchive, members: Members, site: str
) -> None:
    make_archive("ml-1m", members["ml-1m"])
    out = tmp_path / "out"
    with pytest.raises(DataError, match="must have the MD5 c4d9eecfca2ab87c1945afe126590906"):
        download("ml-1m", out, base_url=site)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("path", ["", "/missing", "/short"])
def test_names_the_option_archive_when_fetching_fails(tmp_path: Path, site: str, path: str) -> None:
    # Port 1 is closed to everyone; the others answer 404, and fewer bytes than promised.
    base_url = site + path if path else "http://127.0.0.1:1"
    with pytest.raises(DataError, match="--archive FILE") as caught:
        download("ml-latest-small", tmp_path / "out", base_url=base_url)
    assert "\n" not in str(caught.value)


def test_lists_the_names_when_the_name_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ml-latest-small, ml-100k, ml-1m, ml-25m. Received: ml-9"):
        download("ml-9", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("none.zip", "No such file or directory"),
        ("", "Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_names_the_archive_when_it_cannot_be_read(tmp_path: Path, name: str, received: str) -> None:
    expected = rf"{name} must be the zip file of ml-1m, and readable\. Received: {received}\."
    with pytest.raises(DataError, match=expected):
        download("ml-1m", tmp_path / "out", tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_names_the_archive_when_reading_it_is_forbidden(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    archive = make_archive("ml-1m", members["ml-1m"])
    archive.chmod(0)
    with pytest.raises(DataError, match=r"ml-1m\.zip must be .* Received: Permission denied"):
        download("ml-1m", tmp_path / "out", archive)


def test_the_users_of_another_set_are_gone_when_the_new_one_has_none(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    out = tmp_path / "out"
    download("ml-1m", out, make_archive("ml-1m", members["ml-1m"]))
    (out / "notes.txt").write_text("mine")
    download("ml-latest-small", out, make_archive("ml-latest-small", members["ml-latest-small"]))
    assert sorted(file.name for file in out.iterdir()) == ["movies.csv", "notes.txt", "ratings.csv"]


def test_refuses_when_the_archive_is_no_zip_file(tmp_path: Path) -> None:
    archive = tmp_path / "page.zip"
    archive.write_text("<html>")
    with pytest.raises(DataError, match="must be an intact zip file of ml-1m"):
        download("ml-1m", tmp_path / "out", archive)


def test_leaves_old_files_alone_when_the_archive_is_damaged(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    archive = make_archive("ml-1m", members["ml-1m"] | {"users.dat": bytes(range(256)) * 40})
    content = bytearray(archive.read_bytes())
    at = content.index(b"ml-1m/users.dat") + len(b"ml-1m/users.dat") + 20
    content[at] ^= 0xFF
    archive.write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    (out / "ratings.csv").write_text("old")
    with pytest.raises(DataError, match="must be an intact zip file of ml-1m"):
        download("ml-1m", out, archive)
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("ratings.csv", "old")]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "ml-1m\\..\\..\\x", "C:x"])
def test_refuses_when_a_member_leaves_the_folder(
    tmp_path: Path, make_archive: MakeArchive, members: Members, name: str
) -> None:
    with pytest.raises(DataError, match="must hold plain relative paths"):
        download("ml-1m", tmp_path / "out", make_archive("ml-1m", members["ml-1m"], name))


def test_names_the_member_when_it_is_missing(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    del members["ml-1m"]["movies.dat"]
    with pytest.raises(DataError, match="must hold ml-1m/movies.dat"):
        download("ml-1m", tmp_path / "out", make_archive("ml-1m", members["ml-1m"]))


def test_names_the_line_when_it_is_malformed(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    members["ml-1m"]["ratings.dat"] += b"1::661::3\n"
    with pytest.raises(DataError, match="ratings.dat, line 3 must have 4 fields.*Received: 3"):
        download("ml-1m", tmp_path / "out", make_archive("ml-1m", members["ml-1m"]))


def test_names_the_header_when_it_is_another_one(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    files = members["ml-latest-small"] | {"ratings.csv": b"user,item\n1,2\n"}
    with pytest.raises(DataError, match="must start with userId,movieId,rating,timestamp"):
        download("ml-latest-small", tmp_path / "out", make_archive("ml-latest-small", files))


def test_says_so_when_the_folder_cannot_be_written(
    tmp_path: Path, make_archive: MakeArchive, members: Members
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataError, match="must be a folder to write to"):
        download("ml-1m", blocked, make_archive("ml-1m", members["ml-1m"]))
