"""Movies whose folder gets full, goes away or was damaged in mid-run."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
from movie_cases import PSF, QUICK, two_balls

from full_disk import full_disk
from napari_deltamic.mesh import read_mesh
from napari_deltamic.timelapse import fit_timelapse

FRAMES = 2


@pytest.fixture(scope="module")
def balls():
    return two_balls(FRAMES)


@pytest.fixture(scope="module")
def followed(balls, tmp_path_factory):
    folder = tmp_path_factory.mktemp("movies") / "balls"
    return fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=folder), folder


@pytest.fixture
def damaged(followed, tmp_path):
    return shutil.copytree(followed[1], tmp_path / "damaged")


def go_on(balls, folder):
    return fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=folder, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_full_disk_ends_a_movie_that_goes_on_later(balls, followed, tmp_path, caplog):
    mesh = followed[1] / "mesh_t0000.rec"
    most = mesh.stat().st_size - 100
    with full_disk(most), pytest.raises(OSError, match=r"File too large: .*mesh_t0000\.rec"):
        fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=tmp_path)
    assert "checkpoint_t0000.npz (File too large)" in caplog.text
    assert [one.name for one in tmp_path.iterdir()] == ["movie.json"]
    resumed = go_on(balls, tmp_path)
    for one, other in zip(resumed.frames, followed[0].frames, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_movie_does_without_checkpoints_that_find_no_room(balls, followed, tmp_path, caplog):
    long = max(one.stat().st_size for one in followed[1].iterdir())
    with full_disk(long + 1000):
        result = fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=tmp_path)
    assert "could not be kept" in caplog.text
    assert len(result.frames) == FRAMES
    for name in ("mesh_t0000.rec", "mesh_t0001.rec"):
        assert (tmp_path / name).read_bytes() == (followed[1] / name).read_bytes()


def test_a_folder_that_goes_away_is_named(balls, tmp_path):
    folder = tmp_path / "movie"

    def on_state(state):
        if state.frame == 1:
            shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(OSError, match=r"No such file or directory: .*mesh_t0001\.rec"):
        fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, on_state, folder=folder)


@pytest.mark.parametrize("name", ["movie.json", "frame_t0000.json", "mesh_t0000.rec"])
def test_a_file_cut_in_half_is_named(balls, damaged, name):
    file = damaged / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"damaged.*start afresh") as raised:
        go_on(balls, damaged)
    number = name.removesuffix(".rec").removesuffix(".json")[-5:]
    assert number in str(raised.value)


def test_a_frame_without_its_facts_is_fitted_again(balls, followed, damaged):
    # As a kill between the two leaves them.
    (damaged / "frame_t0001.json").unlink()
    (damaged / "mesh_t0001.rec").write_text("half")
    go_on(balls, damaged)
    found, whole = (read_mesh(each / "mesh_t0001.rec") for each in (damaged, followed[1]))
    np.testing.assert_array_equal(found.vertices, whole.vertices)
