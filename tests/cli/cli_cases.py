"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_deltamic.cli import main

PROGRAM = (sys.executable, "-c", "from napari_deltamic.cli import main; main()")


def run(*words) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as exit_info:
        main([str(word) for word in words])
    return exit_info.value.code


def run_process(*words) -> subprocess.CompletedProcess:
    """Run a command in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )
