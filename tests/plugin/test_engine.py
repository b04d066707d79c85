"""Getting the fit ready, and leaving in the middle of it."""

import subprocess
import sys

import pytest

QUIT = """
import time
from napari_deltamic.plugin import engine
engine.prepare_in_background()
time.sleep({seconds})
"""


@pytest.mark.parametrize("seconds", [0.1, 0.8, 1.5])
def test_who_quits_meanwhile_is_told_of_no_trouble(seconds):
    command = [sys.executable, "-c", QUIT.format(seconds=seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    # torch itself may complain when it is left in the middle of its import.
    assert "could not be prepared" not in done.stderr
