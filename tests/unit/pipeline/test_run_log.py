import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.run_log import noise_to

NOISY = """
import ctypes, logging, os, subprocess, sys, warnings
from pathlib import Path
from pipeline.run_log import noise_to

print("before")
try:
    with noise_to(Path(sys.argv[1])) as console:
        os.write(2, b"from C to error\\n")
        os.write(1, b"from C to output\\n")
        ctypes.CDLL(None).puts(b"from puts")
        ctypes.CDLL(None).fflush(None)
        subprocess.run(["echo", "from a child"])
        print("from print")
        logging.getLogger("some.library").info("from logging")
        warnings.warn("from warnings")
        console.print("for the reader")
        if sys.argv[2] == "fail":
            raise ValueError("went wrong")
except ValueError:
    print("caught", file=sys.stderr)
os.write(2, b"after, from C\\n")
logging.getLogger("some.library").info("after, from logging")
print("after")
"""
NOISE = (
    "from C to error",
    "from C to output",
    "from puts",
    "from a child",
    "from print",
    "INFO some.library: from logging",
    "from warnings",
)


@pytest.mark.parametrize("end", ["well", "fail"])
def test_only_the_console_reaches_the_terminal_when_all_make_noise(
    tmp_path: Path, end: str
) -> None:
    log = tmp_path / "logs" / "run.log"
    done = subprocess.run(
        [sys.executable, "-c", NOISY, str(log), end], capture_output=True, text=True, check=True
    )
    # The three lines after the block show that both descriptors and logging are as before.
    assert done.stdout == "before\nfor the reader\nafter\n"
    assert done.stderr == ("caught\n" if end == "fail" else "") + "after, from C\n"
    written = log.read_text()
    assert [text for text in NOISE if text not in written] == []
    assert "after" not in written
    assert "for the reader" not in written


def test_restores_logging_and_descriptors_when_the_block_raises(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), len(os.listdir("/proc/self/fd")))
    with pytest.raises(ValueError, match="went wrong"), noise_to(tmp_path / "log"):
        raise ValueError("went wrong")
    assert (root.level, list(root.handlers), len(os.listdir("/proc/self/fd"))) == before


def test_keeps_the_terminal_clean_when_objects_complain_while_python_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = """
import sys
from pathlib import Path
from pipeline.run_log import end_quietly

class Complains:
    def __del__(self):
        raise ValueError("taken apart")

kept = Complains()
end_quietly(Path(sys.argv[1]))
print("for the reader", file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "for the reader\n"
    assert "ValueError: taken apart" in log.read_text()


def test_appends_when_the_log_is_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in ("first", "second"):
        with noise_to(log):
            os.write(2, text.encode())
    assert log.read_text() == "firstsecond"
