"""The dock *Batch* as a user hands batches over with it and watches them, in a real viewer."""

import csv
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from batch_dock_cases import (
    QUICKLY,
    SLOWLY,
    ended,
    open_row,
    opened,
    row_of,
    said,
    standing,
    standings,
    started,
    wait_for,
)
from napari.layers import Image, Surface
from plugin_cases import click, open_dock
from qtpy.QtWidgets import QFileDialog

from batch_cases import LONG, SPACING, wait_until, write_balls
from napari_deltamic.batch import Outcome, items_of_files
from napari_deltamic.batch.command import read_command
from napari_deltamic.batch.pulse import is_beating
from napari_deltamic.batch.summary import write_summary
from napari_deltamic.plugin.batches import handing
from napari_deltamic.plugin.guide_words import Standing
from napari_deltamic.plugin.mesh_layers import mesh_from_layer

pytestmark = pytest.mark.usefixtures("_batches_apart")


def test_from_a_folder_of_stacks_to_meshes_in_the_viewer(bare, qtbot, tmp_path):
    (whole,) = write_balls(tmp_path / "stacks", 1)
    broken = tmp_path / "stacks" / "cut off.tif"
    broken.write_text("no TIFF")
    out = tmp_path / "results of it"
    dock = opened(qtbot, bare, **QUICKLY)
    started(qtbot, dock, [tmp_path / "stacks"], out)
    look = wait_for(qtbot, dock, ended)
    assert standings(look) == {"ball0": "done", "cut off": "refused"}
    assert said(dock, "Watch") == "2 stacks: 1 done, 1 refused. Press Retry failed for the rest."
    table = dock.watch.table
    texts = [table.batch.index(row_of(dock, "cut off"), k).data() for k in range(5)]
    assert texts[1] == "! refused"
    assert texts[3] == "1"
    assert "cut off.tif" in texts[4]

    # A result lies where its stack does.
    open_row(qtbot, dock, "ball0")
    image, surface = bare.layers["ball0"], bare.layers["ball0 mesh"]
    assert isinstance(image, Image)
    assert isinstance(surface, Surface)
    np.testing.assert_allclose(image.scale, SPACING)
    mesh = mesh_from_layer(surface)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), (4.0, 4.0, 4.0), atol=0.2)
    assert bare.layers["Mesh outline"].visible

    # Logs: of the marked stack, and of the batch.
    click(qtbot, dock.watch.show_log)
    qtbot.waitUntil(lambda: "Wrote" in dock.watch.log.toPlainText(), timeout=10_000)
    table.clearSelection()
    qtbot.waitUntil(lambda: "What needs a look" in dock.watch.log.toPlainText(), timeout=10_000)

    # What failed is done once its cause is mended, and nothing else again.
    before = (out / "ball0" / "mesh.rec").stat().st_mtime_ns
    broken.write_bytes(whole.read_bytes())
    assert dock.watch.again.text() == "Retry failed"
    click(qtbot, dock.watch.again)
    qtbot.waitUntil(lambda: dock.watch.seen is not None and dock.watch.seen.is_running)
    look = wait_for(qtbot, dock, ended)
    assert look.state.counts == {"done": 2}
    assert (out / "ball0" / "mesh.rec").stat().st_mtime_ns == before
    assert said(dock, "Watch").startswith("All 2 stacks are done")
    assert not dock.watch.again.isEnabled()
    with (out / "all_measures.csv").open(newline="") as file:
        assert {row["item"] for row in csv.DictReader(file)} == {"ball0", "cut off"}


def test_a_batch_outlives_its_dock_and_is_stopped_and_gone_on_with(bare, qtbot, tmp_path):
    files = write_balls(tmp_path / "stacks", 2)
    out = tmp_path / "out"
    dock = opened(qtbot, bare, **SLOWLY)
    dock.workers.setValue(1)
    started(qtbot, dock, files, out)
    wait_for(qtbot, dock, lambda look: "stage" in look.state.items[0].words)
    assert standing(dock, "Watch") is Standing.BUSY
    assert standing(dock, "Run") is Standing.BUSY
    assert not dock.run_button.isEnabled()
    assert not dock.watch.again.isEnabled()
    bare.window.remove_dock_widget(dock)
    assert not dock.watch._timer.isActive()
    assert is_beating(out)

    # The next dock finds it by the folder used last.
    again = open_dock(bare, "Batch")
    assert again.output.text() == str(out)
    assert again.steps["Watch"].is_open
    look = wait_for(qtbot, again, lambda look: look.state.items)
    assert standings(look) == {"ball0": "running", "ball1": "waiting"}
    click(qtbot, again.watch.stop)
    look = wait_for(qtbot, again, ended)
    assert standings(look) == {"ball0": "stopped", "ball1": "waiting"}
    assert (out / "ball0" / "mesh.rec").exists()
    again.watch.table.selectRow(0)
    assert not again.watch.open.isEnabled()
    assert again.watch.again.text() == "Go on"
    click(qtbot, again.watch.again)
    wait_for(qtbot, again, lambda look: look.state.items[0].standing == "running")
    wait_until(lambda: "--resume" in shlex.join(children(out)))
    click(qtbot, again.watch.stop)
    wait_for(qtbot, again, ended)


def children(out):
    """Return the words of all processes that fit into a folder."""
    psutil = pytest.importorskip("psutil")
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(word.startswith(str(out / "ball")) for word in words):
            found += words
    return found


def test_a_batch_of_the_command_line_is_watched(bare, qtbot, tmp_path, monkeypatch):
    (file,) = write_balls(tmp_path / "stacks", 1)
    out = tmp_path / "out"
    words = ["batch", str(file), "-o", str(out), *LONG]
    program = [sys.executable, "-c", handing._PROGRAM, *words]
    batch = subprocess.Popen(program, stderr=subprocess.DEVNULL)
    dock = open_dock(bare, "Batch")
    wait_until(lambda: is_beating(out))
    click(qtbot, dock.steps["Watch"].header)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    click(qtbot, dock.watch.choose)
    wait_for(qtbot, dock, lambda look: standings(look) == {"ball0": "running"})
    click(qtbot, dock.watch.stop)
    wait_for(qtbot, dock, ended)
    assert batch.wait(timeout=30) == 130


def test_of_a_batch_of_a_script_there_is_no_command_to_give_again(bare, qtbot, tmp_path):
    (item,) = items_of_files(write_balls(tmp_path, 1))
    write_summary(tmp_path, [item], {"ball0": Outcome("ball0", "failed", "why", attempts=2)})
    dock = open_dock(bare, "Batch")
    dock.watch.watch(tmp_path)
    wait_for(qtbot, dock, ended)
    assert said(dock, "Watch") == "1 stack: 1 failed."
    shown = dock.watch.where.text().replace("\u200b", "")
    assert shown.endswith(f"{tmp_path.parent.name}{os.sep}{tmp_path.name}")
    assert str(tmp_path) not in shown
    assert str(tmp_path) in dock.watch.where.toolTip()
    assert not dock.watch.again.isEnabled()
    assert "begun by a script" in dock.watch.again.toolTip()
    assert read_command(tmp_path) is None
