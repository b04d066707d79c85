"""OME-Zarr folders as items of a batch."""

import os

import numpy as np
import pytest

from batch_cases import QUICK, write_balls
from napari_deltamic.batch import Item, items_of_files, items_of_table, run_batch
from napari_deltamic.batch.items import with_whole_paths
from napari_deltamic.batch.outcome import task_of
from napari_deltamic.imaging import read_stack
from zarr_cases import chunk_files, write_ome_zarr


@pytest.fixture
def folder(tmp_path):
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    (stacks / "a.tif").write_text("")
    write_ome_zarr(stacks / "b.zarr", np.ones((4, 8, 8), np.uint8))
    write_ome_zarr(stacks / "b.zarr" / "labels" / "cells", np.ones((4, 8, 8), np.uint8))
    return stacks


def test_a_zarr_folder_is_one_stack_alone_or_among_others(folder):
    image = folder / "b.zarr"
    assert [item.source for item in items_of_files([folder])] == [folder / "a.tif", image]
    assert items_of_files([image]) == [Item("b", "fit", image)]
    # By what it holds, not by its name.
    named = image.rename(folder / "position1")
    assert items_of_files([named]) == [Item("position1", "fit", named)]


def test_tables_and_options_name_zarr_folders(folder):
    table = folder / "table.csv"
    table.write_text("stack,movie,labels\nb.zarr,,b.zarr/labels/cells\n,b.zarr,\n")
    labels = str(folder / "b.zarr" / "labels" / "cells")
    assert items_of_table(table) == [
        Item("b", "fit", folder / "b.zarr", ("--labels", labels)),
        Item("b-2", "timelapse", folder / "b.zarr"),
    ]
    assert with_whole_paths(["--labels", labels]) == ("--labels", labels)
    table.write_text("stack\nb.zarr/labels\n")
    with pytest.raises(ValueError, match="line 2: stack: there is no file"):
        items_of_table(table)


def test_a_chunk_that_is_written_anew_makes_another_task(folder):
    (item,) = items_of_files([folder / "b.zarr"])
    before = task_of(item)
    assert task_of(item) == before
    chunk = chunk_files(item.source)[0]
    later = before["changed"] + 10**9
    os.utime(chunk, ns=(later, later))
    assert task_of(item) != before
    shorter = task_of(item)
    chunk.write_bytes(b"")
    os.utime(chunk, ns=(later, later))
    assert task_of(item)["bytes"] < shorter["bytes"]


def test_a_zarr_folder_is_fitted_skipped_and_fitted_anew(tmp_path):
    (file,) = write_balls(tmp_path / "tiffs", 1)
    stack = read_stack(file)
    image = tmp_path / "stacks" / "ball.zarr"
    write_ome_zarr(image, stack.data, steps=[("scale", stack.spacing)])
    items = items_of_files([tmp_path / "stacks"], QUICK)
    (done,) = run_batch(items, tmp_path / "out")
    assert (done.status, done.message) == ("done", "")
    (again,) = run_batch(items, tmp_path / "out")
    assert again.skipped
    write_ome_zarr(image, stack.data + 1, steps=[("scale", stack.spacing)])
    (anew,) = run_batch(items, tmp_path / "out")
    assert (anew.status, anew.skipped) == ("done", False)
