"""Stacks in OME-Zarr folders on the command line."""

import json

import numpy as np
import pytest
from cli_cases import run

from napari_deltamic.imaging import read_stack, render
from napari_deltamic.mesh import icosphere, read_mesh, write_mesh
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.timelapse import Movie
from zarr_cases import write_ome_zarr

SHAPE, SPACING, ORIGIN = (24, 96, 96), (0.4, 0.2, 0.2), np.array((5.0, -3.0, 0.0))
SIGMA, QUICK = ("0.4", "0.2", "0.2"), ("--stages", 1, "--max-iterations", 20)
CENTER, RADIUS = np.add(ORIGIN, (4.4, 3.4, 3.6)), 1.5
SEED = icosphere(CENTER + 0.2, 1.2, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with an image of a ball, its labels, a mesh and a point to start from."""
    folder = tmp_path_factory.mktemp("zarr")
    truth = icosphere(CENTER, RADIUS, 3)
    image = render(truth, GaussianPSF((0.4, 0.2, 0.2)), SHAPE, SPACING, ORIGIN, 100.0)
    noisy = np.random.default_rng(1).poisson(image + 10.0).astype(np.uint16)
    movie = np.stack([np.zeros_like(noisy), noisy])
    place = [("scale", (1, *SPACING)), ("translation", (0, *ORIGIN))]
    write_ome_zarr(folder / "ball.zarr", movie, "tzyx", place, chunks=(1, 12, 16, 16))
    voxels = ORIGIN + SPACING * np.moveaxis(np.indices(SHAPE), 0, -1)
    labels = (np.linalg.norm(voxels - CENTER, axis=-1) < RADIUS).astype(np.uint8)
    write_ome_zarr(folder / "ball.zarr" / "labels" / "cells", labels)
    write_mesh(SEED, folder / "start.rec")
    (folder / "points.csv").write_text("z,y,x\n" + ",".join(f"{p:.6f}" for p in CENTER) + "\n")
    return folder


def fit_words(folder, *start, frame=1):
    return ("fit", folder / "ball.zarr", *start, "--sigma", *SIGMA, "--frame", frame, *QUICK)


@pytest.mark.parametrize("start", ["mesh", "points", "labels"])
def test_only_the_part_around_the_start_is_fitted(folder, tmp_path, start):
    words = {
        "mesh": ("--mesh", folder / "start.rec"),
        "points": ("--points", folder / "points.csv", "--radius", 1.2),
        "labels": ("--labels", folder / "ball.zarr" / "labels" / "cells"),
    }[start]
    assert run(*fit_words(folder, *words), "-o", tmp_path / "out") == 0
    mesh = read_mesh(tmp_path / "out" / "mesh.rec")
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER, atol=0.15)
    facts = json.loads((tmp_path / "out" / "fit.json").read_text())["stack"]
    np.testing.assert_allclose(facts["origin_um"], ORIGIN)
    assert facts["shape"][0] == SHAPE[0]
    assert max(facts["shape"][1:]) < SHAPE[1]
    assert list(read_stack(tmp_path / "out" / "rendering.ome.tif").shape) == facts["shape"]


def test_the_whole_is_read_where_objects_are_searched(folder, tmp_path):
    assert run(*fit_words(folder, "--auto"), "-o", tmp_path / "out") == 0
    facts = json.loads((tmp_path / "out" / "fit.json").read_text())["stack"]
    assert facts["shape"] == list(SHAPE)
    mesh = read_mesh(tmp_path / "out" / "mesh.rec")
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER, atol=0.15)


def test_an_origin_that_is_given_counts_instead_of_the_images(folder, tmp_path):
    write_mesh(SEED.with_vertices(SEED.vertices - ORIGIN), tmp_path / "moved.rec")
    words = fit_words(folder, "--mesh", tmp_path / "moved.rec", "--origin", 0, 0, 0)
    assert run(*words, "-o", tmp_path / "out") == 0
    mesh = read_mesh(tmp_path / "out" / "mesh.rec")
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER - ORIGIN, atol=0.15)


def test_what_is_wrong_with_a_folder_is_said_in_a_sentence(folder, tmp_path, capsys):
    start = ("--mesh", folder / "start.rec")
    assert run(*fit_words(folder, *start, frame=2), "-o", tmp_path / "out") == 2
    assert "--frame: " in capsys.readouterr().err
    words = ("fit", folder, *start, "--sigma", *SIGMA, "-o", tmp_path / "out")
    assert run(*words) == 1
    assert "is a folder without an image in zarr format" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_movies_in_zarr_folders_are_followed(tmp_path):
    data = np.random.default_rng(2).integers(0, 99, (3, 4, 6, 7)).astype(np.uint8)
    steps = [("scale", (1, *SPACING)), ("translation", (0, *ORIGIN))]
    write_ome_zarr(tmp_path / "movie.zarr", data, "tzyx", steps)
    movie = Movie(tmp_path / "movie.zarr")
    assert len(movie) == 3
    np.testing.assert_array_equal(movie[2].data, data[2])
    np.testing.assert_allclose(movie[2].origin, ORIGIN)
    moved = Movie(tmp_path / "movie.zarr", origin=(1, 2, 3))
    np.testing.assert_array_equal(moved[0].origin, (1, 2, 3))
