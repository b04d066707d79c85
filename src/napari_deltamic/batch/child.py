"""One command line in a process of its own, that ends when it is told to or its parent is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from napari_deltamic.kernel_threads import ENVIRONMENT

MODULE = "napari_deltamic.cli.supervised"
"""What the process runs: the command line, with an eye on its standard input."""
STOP = b"stop\n"
"""What is written there to stop it; the end of it says that the parent is gone."""
_BETWEEN_LOOKS = 0.05


def run_child(
    words: Sequence[str], log: Path, threads: int, should_stop: Callable[[], bool]
) -> int:
    """Run a command line of the program and return its exit code.

    Parameters
    ----------
    words
        Without the program's name.
    log
        File that gets what it prints.
    threads
        How many it may use.
    should_stop
        Asked several times a second; once true, the command is stopped as by Ctrl-C. What it
        raises is passed on, and the command ends at once.
    """
    count = str(threads)
    environment = {
        **os.environ,
        ENVIRONMENT: count,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "PYTHONUNBUFFERED": "1",
    }
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "-m", MODULE, *words],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            # Nothing is left to be written to a child that has just ended, when this is closed.
            bufsize=0,
            # Ctrl-C in the terminal is passed on once, not twice; on Windows a group does that.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        ) as child,
    ):
        told = False
        while (code := child.poll()) is None:
            if not told and should_stop():
                told = True
                _tell(child)
            time.sleep(_BETWEEN_LOOKS)
    return code


def _tell(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    # It may just have ended by itself.
    with suppress(OSError):
        child.stdin.write(STOP)
