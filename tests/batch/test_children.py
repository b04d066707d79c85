"""The processes of fits, as a batch runs them."""

from __future__ import annotations

import time

import pytest

from batch_cases import wait_until
from napari_deltamic.batch.child import run_child


def test_a_child_that_ends_while_it_is_told_to_stop_is_no_error(tmp_path):
    log = tmp_path / "log.txt"

    def should_stop():
        wait_until(lambda: log.read_text())
        # What it still does after its last word.
        time.sleep(2.0)
        return True

    assert run_child(["--version"], log, 1, should_stop) == 0


def test_what_is_raised_ends_the_child_at_once(tmp_path):
    log, start = tmp_path / "log.txt", time.monotonic()

    def should_stop():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_child(["benchmark"], log, 1, should_stop)
    assert time.monotonic() - start < 10.0
    assert log.read_text() == ""
