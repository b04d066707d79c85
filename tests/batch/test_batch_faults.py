"""Batches whose folder, disk or input fails in mid-run: each item for itself, and none unseen."""

from __future__ import annotations

import shutil
import sys
import threading

import pytest

from batch_cases import LONG, QUICK, wait_until, write_balls
from full_disk import full_disk
from napari_deltamic.batch import items_of_files, run_batch
from napari_deltamic.batch.summary import SUMMARY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs limits and files of POSIX")


def test_a_full_disk_fails_items_and_they_are_done_later(tmp_path):
    items = items_of_files(write_balls(tmp_path / "stacks", 1), QUICK)
    out = tmp_path / "out"
    # The first run on a machine writes compiled kernels, for which there would be no room either.
    run_batch(items, tmp_path / "before")
    # Room for tables, records and logs, but not for meshes; the processes inherit it.
    with full_disk(20_000):
        (outcome,) = run_batch(items, out, retries=0)
    assert outcome.status == "failed"
    assert "File too large" in outcome.message
    assert "mesh.ply" in outcome.message
    assert "failed" in (out / SUMMARY).read_text()
    assert not list(out.rglob("mesh.*"))
    (again,) = run_batch(items, out)
    assert again.status == "done"


def test_a_disk_without_room_for_a_record_is_named(tmp_path):
    items = items_of_files(write_balls(tmp_path / "stacks", 1), QUICK)
    out = tmp_path / "out"
    (out / items[0].name / "item.json").mkdir(parents=True)
    (outcome,) = run_batch(items, out)
    assert outcome.status == "failed"
    assert outcome.message == f"{out / items[0].name / 'item.json'}: Is a directory"


def test_a_batch_whose_folder_is_deleted_still_stops_and_tells(tmp_path):
    items = items_of_files(write_balls(tmp_path / "stacks", 2), LONG)
    out, heard, deleted = tmp_path / "out", [], threading.Event()

    def delete():
        log = out / items[0].name / "log.txt"
        wait_until(lambda: log.exists() and "stage 1" in log.read_text())
        shutil.rmtree(out)
        deleted.set()

    thread = threading.Thread(target=delete)
    thread.start()
    outcomes = run_batch(items, out, on_outcome=heard.append, should_stop=deleted.is_set)
    thread.join()
    # The first is stopped with its result kept, the second never began.
    assert [(one.name, one.status) for one in outcomes] == [("ball0", "stopped")]
    assert (out / "ball0" / "mesh.rec").is_file()
    assert "stopped" in (out / SUMMARY).read_text()
