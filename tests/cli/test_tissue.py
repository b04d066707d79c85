"""The command ``tissue``."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from cli_cases import PROGRAM, run

from napari_deltamic.cli import starting_mesh
from napari_deltamic.imaging import write_stack
from napari_deltamic.mesh import mean_surface_distance, read_mesh, voxelise, write_mesh
from tissue_cases import PSF_SIGMA, SPACING, row
from zarr_cases import write_ome_zarr

QUICK = ("--max-iterations", 20, "--edge-length", 0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a row of four cells as zarr and as TIFF, labels and a mesh to start from."""
    folder, case = tmp_path_factory.mktemp("tissue"), row(4)
    data = np.asarray(case.stack.data).astype(np.uint16)
    scale = [("scale", list(SPACING))]
    write_ome_zarr(folder / "row.zarr", data, steps=scale, chunks=(9, 10, 10))
    write_stack(folder / "row.tif", data, SPACING)
    labels = voxelise(case.seed, case.stack.shape, SPACING)
    write_ome_zarr(folder / "labels.zarr", labels, steps=scale)
    write_mesh(case.seed, folder / "start.rec")
    return folder


def words(
    folder: Path,
    output: Path,
    *more: object,
    stack: str = "row.zarr",
    settings: tuple[object, ...] = QUICK,
) -> tuple[object, ...]:
    return "tissue", folder / stack, "--sigma", *PSF_SIGMA, *settings, "-o", output, *more


@pytest.mark.parametrize("stack", ["row.zarr", "row.tif"])
def test_cells_are_fitted_in_blocks(
    folder: Path, tmp_path: Path, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ("--mesh", folder / "start.rec", "--cells", 2)
    assert run(*words(folder, tmp_path / "out", *start, stack=stack)) == 0
    said = capsys.readouterr().err
    assert "4 cells in 2 blocks; about 0.6 GB of memory" in said
    assert "block 2/2, round 2/2" in said
    case = row(4)
    mesh = read_mesh(tmp_path / "out" / "mesh.rec")
    assert mean_surface_distance(mesh, case.truth).mean < 0.2 * SPACING[2]
    facts = json.loads((tmp_path / "out" / "tissue.json").read_text())
    assert [block["regions"] for block in facts["blocks"]] == [[1, 2], [3, 4]]
    assert facts["settings"]["stages"] == 1
    assert facts["stack"]["shape"] == list(case.stack.shape)
    with (tmp_path / "out" / "contacts.csv").open() as file:
        contacts = list(csv.DictReader(file))
    assert len(contacts) == len(mesh.interfaces)
    np.testing.assert_allclose([float(one["brightness"]) for one in contacts], 30.0, rtol=0.2)
    assert (tmp_path / "out" / "psf.json").is_file()
    # A fit that came to its end may be done again.
    shorter = ("--max-iterations", 2, "--edge-length", 0.4)
    again = words(folder, tmp_path / "out", *start, stack=stack, settings=shorter)
    assert run(*again) == 0


def test_it_starts_from_labels(folder: Path, tmp_path: Path) -> None:
    start = ("--labels", folder / "labels.zarr", "--memory", 1)
    assert run(*words(folder, tmp_path / "out", *start)) == 0
    mesh = read_mesh(tmp_path / "out" / "mesh.rec")
    assert mean_surface_distance(mesh, row(4).truth).mean < 0.3 * SPACING[2]


def test_of_large_labels_every_second_voxel_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = row(4)
    monkeypatch.setattr(starting_mesh, "_MOST_LABELS", np.prod(case.stack.shape) / 7.0)
    mesh = starting_mesh.mesh_from_large_labels(folder / "labels.zarr", case.stack)
    assert mesh.regions.tolist() == [1, 2, 3, 4]
    assert mean_surface_distance(mesh, case.seed).mean < SPACING[0]


def test_ctrl_c_keeps_the_mesh_and_resume_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ("--mesh", folder / "start.rec", "--cells", 2)
    endless = ("--max-iterations", 2000, "--tolerance", 1e-9, "--edge-length", 0.4)
    long = words(folder, tmp_path / "out", *start, settings=endless)
    with subprocess.Popen(
        [*PROGRAM, *map(str, long)], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "block 1/2, round 1/2" in line:
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "keeping the best mesh so far" in said
    assert "with --resume to go on" in said
    assert read_mesh(tmp_path / "out" / "mesh.rec").is_closed
    before = (tmp_path / "out" / "tissue.npz").stat().st_mtime_ns
    # Other settings are another fit, whose progress this is not.
    assert run(*words(folder, tmp_path / "out", *start, "--resume")) == 2
    assert (tmp_path / "out" / "tissue.npz").stat().st_mtime_ns == before
    # Nor is it overwritten by a fit that begins anew.
    assert run(*words(folder, tmp_path / "out", *start)) == 2
    assert "was stopped before its end" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "out" / "tissue.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "give one start for the fit: --mesh or --labels"),
        (("--mesh", "{folder}/start.rec", "--labels", "{folder}/labels.zarr"), "give one start"),
        (("--mesh", "{folder}/start.rec", "--cells", 2, "--memory", 1), "does not go with --cells"),
        (("--mesh", "{folder}/start.rec", "--memory", 0.1), "0.1 GB do not suffice"),
        (("--mesh", "{folder}/start.rec", "--cells", 0), "expected 1 or more"),
        (("--mesh", "{folder}/start.rec", "--standard-errors"), "not possible in blocks"),
        (("--mesh", "{folder}/start.rec", "--resume"), "does not exist; start without --resume"),
        (("--labels", "{folder}/row.tif/none"), "does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    folder: Path,
    tmp_path: Path,
    more: tuple[object, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(word).format(folder=folder) for word in more]
    assert run(*words(folder, tmp_path / "out", *given)) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "mesh.rec").exists()
