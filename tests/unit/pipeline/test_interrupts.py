import os
import signal
import subprocess
import sys

import pytest

from pipeline.interrupts import watch_interrupts

SWALLOWS = """
import os, signal, time
from pipeline.interrupts import watch_interrupts

with watch_interrupts():
    for _ in range(2):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            pass  # as TensorFlow's tracing does
    print("still here")
"""


def test_interrupt_is_remembered_when_something_swallows_it() -> None:
    with watch_interrupts() as interrupts:
        interrupts.raise_if_asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interrupts.raise_if_asked()


def test_handlers_are_put_back_when_the_block_ends() -> None:
    before = signal.getsignal(signal.SIGINT)
    with watch_interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_process_ends_when_interrupted_twice() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
