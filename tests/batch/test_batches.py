"""Batches of real fits, each in a process of its own: done, skipped, stopped, killed."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

from batch_cases import LONG, QUICK, is_alive, wait_until, write_balls
from napari_deltamic.batch import Item, items_of_files, run_batch
from napari_deltamic.batch.outcome import LOG, RECORD, read_outcome
from napari_deltamic.batch.summary import SUMMARY


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def child_of(folder):
    """Return the process that fits into a folder, if there is one."""
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in (process.info["cmdline"] or ()) and process.pid != os.getpid():
            return process
    return None


def test_done_skipped_and_done_anew(tmp_path):
    files = write_balls(tmp_path / "stacks", 2)
    (tmp_path / "stacks" / "broken.tif").write_text("no TIFF")
    items = items_of_files([tmp_path / "stacks"], QUICK)
    out, heard = tmp_path / "out", []
    outcomes = run_batch(items, out, workers=2, on_outcome=heard.append)
    assert [(one.name, one.status) for one in outcomes] == [
        ("ball0", "done"),
        ("ball1", "done"),
        ("broken", "refused"),
    ]
    assert {one.name for one in heard} == {"ball0", "ball1", "broken"}
    assert "broken.tif" in outcomes[2].message
    assert outcomes[2].attempts == 1
    assert [row["status"] for row in rows(out / SUMMARY)] == ["done", "done", "refused"]
    measures = rows(out / "all_measures.csv")
    assert [row["item"] for row in measures] == ["ball0", "ball1"]
    assert float(measures[1]["volume"]) > float(measures[0]["volume"])
    assert "Wrote" in (out / "ball0" / LOG).read_text()

    # Of those that are done nothing is written again.
    before = (out / "ball0" / "mesh.rec").stat().st_mtime_ns
    again = run_batch(items[:2], out)
    assert [(one.status, one.skipped) for one in again] == 2 * [("done", True)]
    assert (out / "ball0" / "mesh.rec").stat().st_mtime_ns == before
    # Unless the input or the options are others.
    files[0].write_bytes(files[1].read_bytes())
    changed = run_batch(items[:1], out)
    assert [(one.status, one.skipped) for one in changed] == [("done", False)]
    assert (out / "ball0" / "mesh.rec").read_bytes() == (out / "ball1" / "mesh.rec").read_bytes()


def test_what_was_stopped_goes_on(tmp_path):
    files = write_balls(tmp_path / "stacks", 2)
    items, out = items_of_files(files, LONG), tmp_path / "out"
    outcomes = run_batch(items, out, should_stop=lambda: started_at(out) is not None)
    # The second was not begun.
    assert [(one.name, one.status) for one in outcomes] == [("ball0", "stopped")]
    assert [row["status"] for row in rows(out / SUMMARY)] == ["stopped", "waiting"]
    facts = json.loads((out / "ball0" / "fit.json").read_text())
    assert facts["stop_reason"].startswith("stopped")
    assert not list(out.glob("all_*"))
    again = run_batch(items[:1], out, should_stop=lambda: started_at(out) is not None)
    assert [one.status for one in again] == ["stopped"]
    assert started_at(out) > 0
    later = json.loads((out / "ball0" / "fit.json").read_text())
    done = len(facts["loss_history"])
    assert later["loss_history"][:done] == facts["loss_history"]


def started_at(out):
    """Return the iteration that a fit began with; None if it has not yet."""
    log = out / "ball0" / LOG
    found = re.search(r"from iteration (\d+)", log.read_text()) if log.exists() else None
    return None if found is None else int(found.group(1))


def test_a_fit_that_is_killed_is_tried_again_from_where_it_was(tmp_path):
    (file,) = write_balls(tmp_path / "stacks", 1)
    items, out = items_of_files([file], LONG), tmp_path / "out"
    killed = []

    def kill_once():
        child = child_of(out / "ball0")
        if child is not None and (out / "ball0" / "checkpoint.npz").exists() and not killed:
            killed.append(child.pid)
            child.kill()
        return False

    (outcome,) = run_batch(items, out, should_stop=kill_once)
    assert killed
    assert outcome.status == "done"
    assert outcome.attempts == 2
    assert "--resume" in json.loads((out / "ball0" / "fit.json").read_text())["command_line"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_no_fit_outlives_its_batch(tmp_path):
    (file,) = write_balls(tmp_path / "stacks", 1)
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from napari_deltamic.cli import main; main()"]
    batch = subprocess.Popen([*command, "batch", str(file), "-o", str(out), *LONG])
    wait_until((out / "ball0" / "checkpoint.npz").exists)
    child = child_of(out / "ball0").pid
    batch.send_signal(signal.SIGKILL)
    batch.wait()
    wait_until(lambda: not is_alive(child), seconds=5.0)
    assert read_outcome(out / "ball0").status == "running"


def test_records_that_cannot_be_read_count_as_none(tmp_path):
    assert read_outcome(tmp_path) is None
    for text in ("", "[]", '{"name": "x"}', '{"status": "done", "other": 1}'):
        (tmp_path / RECORD).write_text(text)
        assert read_outcome(tmp_path) is None


@pytest.mark.parametrize(
    ("count", "arguments", "message"),
    [
        (0, {}, "items: there are none"),
        (2, {}, "items: two are named 'same'"),
        (1, {"workers": 0}, "workers: expected 1 or more"),
        (1, {"retries": -1}, "retries: expected 0 or more"),
    ],
)
def test_batches_that_make_no_sense_are_refused(tmp_path, count, arguments, message):
    items = count * [Item("same", "fit", tmp_path / "a.tif")]
    with pytest.raises(ValueError, match=message):
        run_batch(items, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_stack_that_is_gone_fails_and_nothing_else(tmp_path):
    files = write_balls(tmp_path / "stacks", 2)
    items = items_of_files(files, QUICK)
    files[0].unlink()
    outcomes = run_batch(items, tmp_path / "out")
    assert [one.status for one in outcomes] == ["failed", "done"]
    assert "ball0.tif" in outcomes[0].message
