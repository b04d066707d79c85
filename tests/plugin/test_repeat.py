"""A fit as a command line and as a script: both run as copied and give the GUI's mesh."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from plugin_cases import ORIGIN, SIGMA, SPACING, UM, click, make_short, open_dock
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_deltamic.fitting import FitSettings
from napari_deltamic.mesh import read_mesh
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.psf_choice import PsfChoice, gaussian
from napari_deltamic.plugin.repeat import FitFiles, command_line, python_script
from napari_deltamic.plugin.spatial import placement_of

SCRIPTS = Path(sys.executable).parent
CONFOCAL = PsfChoice(
    "ConfocalPSF",
    {"na": 0.9, "excitation_wavelength": 0.488, "emission_wavelength": 0.52, "pinhole": 0.6},
)


def run(line, folder):
    """Run a line of a shell, in a folder of its own, and return the mesh that it wrote."""
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return read_mesh(Path(folder) / "fitted" / "mesh.rec")


def files(**changes):
    values = {
        "image": Path("/data/my embryo.tif"),
        "mesh": Path("/data/seed.rec"),
        "psf": (0.5, 0.2, 0.2),
        "spacing": (1.0, 0.2, 0.2),
        "origin": (0.0, 0.0, 0.0),
        "channel": None,
        "frame": 3,
        "settings": FitSettings(label="both", remesh=False, learn=("sigma", "na"), stages=2),
        "output": Path("/data/fitted"),
    }
    return FitFiles(**(values | changes))


def test_the_command_names_everything_that_is_not_the_default():
    words = shlex.split(command_line(files()))
    assert words[:3] == ["napari-deltamic", "fit", "/data/my embryo.tif"]
    line = " ".join(words[3:])
    for part in (
        "--mesh /data/seed.rec",
        "--spacing 1.0 0.2 0.2",
        "--frame 3",
        "--sigma 0.5 0.2 0.2",
        "--label both",
        "--no-remesh",
        "--learn sigma na",
        "--stages 2",
        "-o /data/fitted",
    ):
        assert part in line
    for absent in ("--channel", "--origin", "--noise", "--psf", "--tolerance"):
        assert absent not in line


def test_the_script_is_python_and_names_a_psf_file():
    script = python_script(files(psf=Path("/data/it's.json"), origin=(0.0, -1.5, 0.25)))
    compile(script, "script", "exec")
    assert """dm.load_psf("/data/it's.json")""" in script
    assert "origin=(0.0, -1.5, 0.25)" in script
    assert "frame=3" in script


def test_a_fit_that_began_later_is_a_script_only():
    assert "settings, first_stage=2)" in python_script(files(first_stage=2))
    with pytest.raises(ValueError, match="copy the Python script"):
        command_line(files(first_stage=2))


@pytest.fixture
def fitted(viewer, qtbot, request):
    """Return the guide after a short fit of the ball."""
    return short_fit(viewer, qtbot, gaussian(SIGMA))


def short_fit(viewer, qtbot, psf):
    dock = open_dock(viewer, "Fit")
    session = live_view_of(viewer).session
    session.choose_psf(psf)
    make_short(dock)
    dock.form.fields["label"].value = "interior"
    dock.mesh.choose(viewer.layers["mesh"])
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: session.result is not None, timeout=60_000)
    return open_dock(viewer, "deltaMic")


def copied(qtbot, guide, action, folder, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    QGuiApplication.clipboard().clear()
    assert guide.sessions.repeat_button.isEnabled()
    action.trigger()
    qtbot.waitUntil(lambda: bool(QGuiApplication.clipboard().text()), timeout=60_000)
    return QGuiApplication.clipboard().text()


@pytest.mark.slow
@pytest.mark.usefixtures("_engine")
def test_both_give_the_mesh_of_the_viewer(viewer, fitted, qtbot, tmp_path, monkeypatch):
    folder = tmp_path / "the files of it"
    folder.mkdir()
    expected = live_view_of(viewer).session.result.mesh
    line = copied(qtbot, fitted, fitted.sessions.copy_line, folder, monkeypatch)
    found = run(line, folder)
    np.testing.assert_array_equal(found.faces, expected.faces)
    np.testing.assert_allclose(found.vertices, expected.vertices, rtol=0, atol=1e-9)
    (folder / "fitted" / "mesh.rec").unlink()
    script = copied(qtbot, fitted, fitted.sessions.copy_script, folder, monkeypatch)
    (folder / "again.py").write_text(script)
    found = run(f"{shlex.quote(sys.executable)} again.py", folder)
    np.testing.assert_array_equal(found.faces, expected.faces)
    np.testing.assert_allclose(found.vertices, expected.vertices, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.usefixtures("_engine")
def test_a_channel_of_a_file_and_a_microscope_s_psf(
    make_napari_viewer_proxy, ball, seed, qtbot, tmp_path, monkeypatch
):
    file = tmp_path / "two channels.ome.tif"
    data = np.stack([ball.data[::-1], ball.data]).astype(np.float32)
    tifffile.imwrite(file, data, ome=True, photometric="minisblack", metadata={"axes": "CZYX"})
    viewer = make_napari_viewer_proxy(show=True)
    place = {"scale": (1.0, *SPACING), "translate": (0.0, *ORIGIN), "units": ("pixel", *UM)}
    image = viewer.open(file, plugin="napari", **place)[0]
    viewer.add_surface(
        surface_data(seed),
        name="mesh",
        **surface_options(seed),
        **placement_of(image).layer_options(),
    )
    viewer.dims.set_point(0, 1.0)
    guide = short_fit(viewer, qtbot, CONFOCAL)
    expected = live_view_of(viewer).session.result.mesh
    line = copied(qtbot, guide, guide.sessions.copy_line, tmp_path, monkeypatch)
    assert f"fit '{file}'" in line
    assert "--channel 1" in line
    assert not (tmp_path / "image.ome.tif").exists()
    found = run(line, tmp_path)
    np.testing.assert_array_equal(found.faces, expected.faces)
    np.testing.assert_allclose(found.vertices, expected.vertices, rtol=0, atol=1e-9)


def test_without_a_fit_there_is_nothing_to_copy(viewer):
    guide = open_dock(viewer, "deltaMic")
    assert not guide.sessions.repeat_button.isEnabled()
