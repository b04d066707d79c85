"""The command line as a batch runs it: stopped at any moment, by its standard input."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from cli_cases import run

from napari_deltamic.batch.child import STOP
from napari_deltamic.cli import app
from napari_deltamic.cli.errors import FAILURE, INTERRUPTED

# What has not come to the command line's own handling of Ctrl-C.
STARTING = """
import time
from napari_deltamic.cli import supervised
def main():
    while True:
        time.sleep(0.01)
supervised.main = main
supervised.supervised()
"""


def ended(words, **options):
    """Return exit code and words of a process that starts, and is written something."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTING],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    ) as child:
        child.stdin.write(words)
        child.stdin.flush()
        if not words:
            child.stdin.close()
            child.stdin = None
        said = child.stderr.read().decode().strip()
        return child.wait(timeout=60), said


def test_a_stop_in_the_first_second_is_no_failure():
    assert ended(STOP) == (INTERRUPTED, "Aborted.")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_stop_is_heard_where_ctrl_c_is_ignored():
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    assert ended(STOP, preexec_fn=ignore) == (INTERRUPTED, "Aborted.")


def test_it_is_gone_with_its_parent():
    assert ended(b"") == (FAILURE, "")


def test_ctrl_c_before_the_command_runs_ends_with_130(capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "start_logging", interrupt)
    assert run("info") == INTERRUPTED
    assert capsys.readouterr().err.strip() == "Aborted."
