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
from napari_deltamic.batch.one import last_words, run_item
from napari_deltamic.batch.outcome import LOG, RECORD, Outcome, read_outcome, task_of, write_outcome
from napari_deltamic.batch.pulse import PULSE
from napari_deltamic.batch.summary import SUMMARY, write_tables
from napari_deltamic.mesh import icosphere, write_measure_tables


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


@pytest.mark.parametrize("option", ["settings", "psf", "mesh", "points", "labels"])
def test_another_content_of_a_file_that_an_option_names_is_another_task(tmp_path, option):
    (file,) = write_balls(tmp_path / "stacks", 1)
    named = tmp_path / "named"
    named.write_text("one")
    item = Item("a", "fit", file, (f"--{option}", str(named)))
    before = task_of(item)
    assert task_of(item) == before
    assert json.loads(json.dumps(before)) == before
    named.write_text("three")
    assert task_of(item) != before


def test_a_checkpoint_of_another_fit_is_not_gone_on_with(tmp_path):
    items = items_of_files(write_balls(tmp_path / "stacks", 1), QUICK)
    own = tmp_path / "out" / "ball0"
    own.mkdir(parents=True)
    (own / "checkpoint.npz").write_text("damaged")
    (own / "contacts.csv").write_text("regions\nof another fit\n")
    # As a batch leaves it that is killed before its first checkpoint.
    (outcome,) = run_batch(items, tmp_path / "out", retries=0)
    assert (outcome.status, outcome.attempts) == ("done", 1)
    assert not (own / "contacts.csv").exists()
    assert not (tmp_path / "out" / "all_contacts.csv").exists()


def test_a_checkpoint_that_is_refused_costs_no_retry(tmp_path):
    items, out = items_of_files(write_balls(tmp_path / "stacks", 1), QUICK), tmp_path / "out"
    own = out / "ball0"
    own.mkdir(parents=True)
    write_outcome(own, Outcome("ball0", "stopped", attempts=1, task=task_of(items[0])))
    (own / "checkpoint.npz").write_text("damaged")
    (outcome,) = run_batch(items, out, retries=0)
    assert (outcome.status, outcome.attempts) == ("done", 3)
    log = (own / LOG).read_text()
    assert log.startswith("attempt 2\n")
    # What the failed attempt said is kept.
    assert "checkpoint" in log[: log.index("attempt 3\n")]
    assert "--resume" not in json.loads((own / "fit.json").read_text())["command_line"]


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


def test_a_batch_that_is_aborted_takes_its_fits_with_it(tmp_path):
    items, out = items_of_files(write_balls(tmp_path / "stacks", 1), LONG), tmp_path / "out"

    def abort():
        if started_at(out) is not None:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        run_batch(items, out, should_stop=abort)
    assert child_of(out / "ball0") is None
    # It was not stopped, which would have written a result.
    assert not (out / "ball0" / "fit.json").exists()
    assert read_outcome(out / "ball0").status == "running"


def test_a_fit_whose_batch_was_killed_elsewhere_stops_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_deltamic.batch.pulse._BETWEEN_BEATS", 0.0)
    (item,), out = items_of_files(write_balls(tmp_path / "stacks", 1), LONG), tmp_path / "out"
    out.mkdir()
    (out / PULSE).write_text("17")
    assert run_item(item, out, 1, 1).status == "stopped"


def test_only_what_the_last_attempt_said_counts(tmp_path):
    log = tmp_path / LOG
    log.write_bytes(b"Error: the disk is full\n")
    begin = log.stat().st_size
    assert last_words(log, 1) == "the disk is full"
    assert last_words(log, 1, begin) == "ended with exit code 1"
    assert last_words(log, -9, begin) == "ended by signal 9"


def test_a_fit_without_contacts_leaves_no_table_of_them(tmp_path):
    for name in ("contacts.csv", "junctions.csv"):
        (tmp_path / name).write_text("of an earlier fit")
    write_measure_tables(tmp_path, icosphere((4.0, 4.0, 4.0), 2.0, 2))
    assert [file.name for file in tmp_path.iterdir()] == ["measures.csv"]


def test_tables_that_cannot_be_read_keep_no_other_from_it(tmp_path, caplog):
    item = Item("a", "fit", tmp_path / "a.tif")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "measures.csv").write_bytes(b"\xff\xfe")
    (tmp_path / "a" / "contacts.csv").write_text("area\n3\n")
    write_tables(tmp_path, [item], {"a": Outcome("a", "done")})
    assert rows(tmp_path / "all_contacts.csv") == [{"item": "a", "area": "3"}]
    assert "all_measures.csv cannot be put together" in caplog.text


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
    for text in (
        *("", "[]", '{"name": "x"}', '{"status": "done", "other": 1}'),
        *('{"name": 1, "status": "done"}', '{"name": "x", "status": "asleep"}'),
        *('{"name": "x", "status": ["done"]}', '{"name": "x", "status": "done", "task": []}'),
        '{"name": "x", "status": "done", "seconds": "1"}',
    ):
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
