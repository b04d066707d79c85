import csv
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import tifffile
from cli_cases import PROGRAM, run

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.timelapse import frame_range
from napari_deltamic.imaging import poisson_noise, render
from napari_deltamic.mesh import concatenate, icosphere, read_mesh, write_mesh
from napari_deltamic.optics import GaussianPSF

SHAPE, SPACING, SIGMA = (14, 26, 42), (0.4, 0.2, 0.2), (0.4, 0.2, 0.2)
QUICK = ("--stages", 2, "--max-iterations", 20, "--noise", "poisson")


def truth(frame):
    middle = 0.5 * np.array(SPACING) * (np.array(SHAPE) - 1)
    shift = frame * np.array((0.0, 0.1, 0.15))
    centers = middle + np.array([(0, 0, -1.9), (0, 0, 1.5)]) + np.outer([1, -1], shift)
    return concatenate([icosphere(center, 1.0, 3) for center in centers])


@pytest.fixture(scope="module")
def movie_files(tmp_path_factory):
    """Folder with movie.tif, of 4 frames, and start.rec."""
    folder = tmp_path_factory.mktemp("movie")
    frames = [
        poisson_noise(render(truth(frame), GaussianPSF(SIGMA), SHAPE, SPACING), 30.0, frame, 1.0)
        for frame in range(4)
    ]
    tifffile.imwrite(folder / "movie.tif", np.stack(frames), imagej=True, metadata={"axes": "TZYX"})
    write_mesh(truth(0), folder / "start.rec")
    return folder


def words_of(folder):
    place = ("--spacing", *SPACING, "--sigma", *SIGMA, "--mesh", folder / "start.rec")
    return ("timelapse", folder / "movie.tif", *place, *QUICK)


@pytest.fixture(scope="module")
def followed(movie_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("followed") / "made" / "here"
    assert run(*words_of(movie_files), "-o", folder, "--interval", 2.5) == 0
    return folder


def test_timelapse_leaves_all_files_and_no_others(followed):
    frames = [f"frame_t{frame:04d}.json" for frame in range(4)]
    meshes = [f"mesh_t{frame:04d}.rec" for frame in range(4)]
    assert sorted(file.name for file in followed.iterdir()) == [
        *frames,
        *meshes,
        "movie.json",
        "psf.json",
        "timelapse.json",
        "tracks.csv",
    ]


def test_tracks_hold_every_region_in_every_frame(followed):
    with (followed / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = [(int(row["frame"]), int(row["region"])) for row in rows]
    assert keys == [(frame, region) for frame in range(4) for region in (1, 2)]
    for row in rows:
        frame, region = int(row["frame"]), int(row["region"])
        assert float(row["time"]) == 2.5 * frame
        mesh = read_mesh(followed / f"mesh_t{frame:04d}.rec")
        assert float(row["volume"]) == pytest.approx(mesh.volumes()[region - 1])
        center = truth(frame).region_mesh(region).vertices.mean(axis=0)
        found = [float(row[f"centroid_{axis}"]) for axis in "zyx"]
        np.testing.assert_allclose(found, center, atol=0.05)


def test_timelapse_json_says_how_and_why(followed):
    facts = json.loads((followed / "timelapse.json").read_text(encoding="utf-8"))
    assert facts["stop_reason"] == "all 4 frames are fitted"
    assert facts["settings"]["stages"] == 2
    assert (facts["frames"], facts["finished_frames"], facts["first_frame"]) == (4, 4, 0)
    assert len(facts["loss"]) == len(facts["seconds"]) == 4
    assert facts["divisions"] == []
    assert facts["lost"] == {}


def test_a_range_of_frames_is_fitted_and_gone_on_from(movie_files, tmp_path, capsys):
    assert run(*words_of(movie_files), "-o", tmp_path, "--frames", "1:3") == 0
    assert "2 frames of 2; all 2 frames are fitted." in capsys.readouterr().err
    assert (tmp_path / "mesh_t0002.rec").exists()
    assert not (tmp_path / "mesh_t0000.rec").exists()
    before = (tmp_path / "frame_t0002.json").stat().st_mtime_ns
    assert run(*words_of(movie_files), "-o", tmp_path, "--frames", "1:", "--resume") == 0
    assert (tmp_path / "frame_t0002.json").stat().st_mtime_ns == before
    facts = json.loads((tmp_path / "timelapse.json").read_text(encoding="utf-8"))
    assert (facts["first_frame"], facts["finished_frames"]) == (1, 3)


def test_ctrl_c_keeps_the_finished_frames_and_resume_goes_on(movie_files, followed, tmp_path):
    words = [*PROGRAM, *map(str, words_of(movie_files)), "-o", str(tmp_path)]
    words += ["--interval", "2.5"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 200
    while not (tmp_path / "frame_t0000.json").exists() and time.monotonic() < limit:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=200)
    assert process.returncode == 130, told
    assert "Run the same command with --resume to go on." in told
    facts = json.loads((tmp_path / "timelapse.json").read_text(encoding="utf-8"))
    assert facts["stopped"]
    assert 1 <= facts["finished_frames"] < 4
    with (tmp_path / "tracks.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * facts["finished_frames"]
    assert run(*words_of(movie_files), "-o", tmp_path, "--interval", 2.5, "--resume") == 0
    assert (tmp_path / "tracks.csv").read_text() == (followed / "tracks.csv").read_text()


def test_resume_without_a_movie_is_refused(movie_files, tmp_path, capsys):
    assert run(*words_of(movie_files), "-o", tmp_path / "new", "--resume") == 2
    assert "movie.json does not exist; start without it" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_of_another_movie_is_refused(movie_files, followed, capsys):
    words = (*words_of(movie_files), "--frames", "1:", "-o", followed, "--resume")
    assert run(*words) == 2
    assert "another movie" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [(":", (0, None)), ("5:20", (5, 20)), (":10", (0, 10)), (" 5 : ", (5, None))],
)
def test_frame_ranges_are_read(text, expected):
    assert frame_range(text) == expected


@pytest.mark.parametrize("text", ["", "5", "a:b", "-1:3", "1:2:3", "1.5:"])
def test_what_is_no_frame_range_is_refused(text):
    with pytest.raises(UsageError, match="--frames: expected first:last"):
        frame_range(text)


def test_a_range_beyond_the_movie_is_refused(movie_files, tmp_path, capsys):
    assert run(*words_of(movie_files), "-o", tmp_path / "new", "--frames", "2:9") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "--frames" in told
    assert "frames 0 to 3" in told
