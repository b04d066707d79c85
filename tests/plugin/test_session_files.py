"""Session folders: what is written comes back, exactly, and nothing else is read or spoilt."""

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plugin_cases import SIGMA

from napari_deltamic.fitting import FitSettings, fit
from napari_deltamic.plugin.history import Moment
from napari_deltamic.plugin.psf_choice import MEASURED, PsfChoice, gaussian
from napari_deltamic.plugin.sessions import files
from napari_deltamic.plugin.sessions.arrays import read_arrays
from napari_deltamic.plugin.sessions.files import read_session, write_session
from napari_deltamic.plugin.sessions.saved import ImageFile, SavedFit, SavedLayer, SavedSession

SETTINGS = FitSettings(label="interior", stages=1, max_iterations=6, standard_errors=True)


def measured_psf():
    voxels = np.random.default_rng(0).random((5, 7, 7))
    placed = {"spacing": (0.31, 0.1, 0.1), "centre": (0.62, 0.3, 0.3)}
    return PsfChoice(MEASURED, {"voxels": voxels, **placed})


@pytest.fixture(scope="module")
def result(ball):
    from plugin_cases import CENTER

    from napari_deltamic.mesh import icosphere
    from napari_deltamic.optics import GaussianPSF

    seed = icosphere(CENTER, 2.5, subdivisions=2)
    settings = SETTINGS.model_copy(update={"learn": ("sigma",)})
    return fit(ball, seed, GaussianPSF(sigma=SIGMA), settings)


@pytest.fixture
def session(ball, seed, result):
    place = {"scale": [0.8, 0.4, 0.4], "units": ["micrometer"] * 3, "visible": True}
    labels = {"data": np.arange(24, dtype=np.uint16).reshape(2, 3, 4)}
    surface = {"vertices": seed.vertices, "faces": seed.faces, "labels": seed.labels}
    return SavedSession(
        layers=(
            SavedLayer("image", "ball", {"data": ball.data}, place),
            SavedLayer("labels", "Found: cells/1", labels, place),
            SavedLayer("surface", "Seed mesh", surface, place),
        ),
        roles={"image": 0, "seed": 2, "fit image": 0},
        frame=(3, 1),
        settings=SETTINGS,
        psf=measured_psf(),
        marks="interior",
        fit=SavedFit(seed, gaussian((0.1, 0.2, 1 / 3)), SETTINGS, (3, 1), 32_000_000, 2),
        result=result,
        result_origin=(0.1, 1 / 3, -2.0),
        moments=(
            Moment(1, 0, 0.5, seed),
            Moment(3, 0, 0.4, seed.with_vertices(seed.vertices + 0.1)),
            Moment(7, 1, 0.25, result.mesh),
        ),
        movie_folder="/data/frames",
    )


def same_mesh(one, other):
    for name in ("vertices", "faces", "labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_is_written_comes_back_exactly(session, tmp_path):
    folder = tmp_path / "embryo.deltamic"
    write_session(folder, session)
    found = read_session(folder)
    for one, other in zip(found.layers, session.layers, strict=True):
        assert (one.kind, one.name, one.options) == (other.kind, other.name, other.options)
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in other.arrays.items():
            assert one.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(one.arrays[name], array)
    for name in ("roles", "frame", "settings", "marks", "result_origin", "movie_folder"):
        assert getattr(found, name) == getattr(session, name)
    np.testing.assert_array_equal(found.psf.arguments["voxels"], session.psf.arguments["voxels"])
    assert found.psf.arguments["centre"] == session.psf.arguments["centre"]
    same_mesh(found.fit.mesh, session.fit.mesh)
    assert found.fit.psf.arguments == session.fit.psf.arguments
    assert (found.fit.settings, found.fit.frame) == (SETTINGS, (3, 1))
    assert (found.fit.whole_up_to, found.fit.first_stage) == (32_000_000, 2)
    for one, other in zip(found.moments, session.moments, strict=True):
        assert (one.iteration, one.stage, one.loss) == (other.iteration, other.stage, other.loss)
        np.testing.assert_array_equal(one.mesh.faces, other.mesh.faces)
        np.testing.assert_array_equal(one.mesh.labels, other.mesh.labels)
        np.testing.assert_allclose(one.mesh.vertices, other.mesh.vertices, rtol=1e-6)
    assert found.versions["napari-deltamic"]
    assert found.versions.keys() >= {"napari", "torch", "numpy", "python"}


def test_a_result_comes_back_with_errors_and_learned_optics(session, result, tmp_path):
    write_session(tmp_path / "s", session)
    found = read_session(tmp_path / "s").result
    same_mesh(found.mesh, result.mesh)
    np.testing.assert_array_equal(found.image, result.image)
    for name in ("loss_history", "stage_starts", "stop_reason", "settings", "warnings"):
        assert getattr(found, name) == getattr(result, name)
    assert result.optics
    assert found.optics == result.optics
    np.testing.assert_allclose(found.psf.sigma.detach(), result.psf.sigma.detach(), rtol=1e-12)
    for name in ("vertices", "volumes", "areas", "interface_areas"):
        np.testing.assert_array_equal(getattr(found.errors, name), getattr(result.errors, name))
    for one, other in (
        (found.intensities, result.intensities),
        (found.errors.intensities, result.errors.intensities),
    ):
        np.testing.assert_array_equal(one.interior, other.interior)
        assert (one.background, one.attenuation) == (other.background, other.attenuation)
    tables = {path.name for path in tmp_path.rglob("*.csv")}
    assert "measures.csv" in tables


def test_a_session_is_replaced_and_nothing_of_the_old_one_is_left(session, tmp_path):
    folder = tmp_path / "s.deltamic"
    write_session(folder, session)
    write_session(folder, SavedSession(marks="membrane"))
    assert read_session(folder).marks == "membrane"
    assert sorted(path.name[:5] for path in folder.iterdir()) == ["data-", "sessi"]


def test_a_full_disk_leaves_the_earlier_session(session, tmp_path, monkeypatch):
    folder = tmp_path / "s.deltamic"
    write_session(folder, replace(session, marks="membrane"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    whole = np.savez
    writes = []

    def full(file, **arrays):
        writes.append(1)
        if len(writes) > 3:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        whole(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        write_session(folder, session)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert read_session(folder).marks == "membrane"


def test_a_kill_while_writing_leaves_the_earlier_session(session, tmp_path, monkeypatch):
    folder = tmp_path / "s.deltamic"
    write_session(folder, replace(session, marks="membrane"))
    # As if the process had gone just before the main file was replaced: nothing is tidied up.
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(files.json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_session(folder, session)
    monkeypatch.undo()
    assert read_session(folder).marks == "membrane"
    write_session(folder, session)
    assert len(list(folder.glob("data-*"))) == 1


def test_a_folder_with_other_things_is_refused(session, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds other things than a session"):
        write_session(tmp_path, session)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def damage(folder, **changes):
    file = folder / "session.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "something else"}, "not a session of napari-deltamic"),
        ({"version": 99}, "version 99.*a newer one may read it"),
        ({"data": "../elsewhere"}, "no folder of a session"),
        ({"data": "/etc"}, "no folder of a session"),
        ({"data": "data-0123456789abcdef"}, "is missing"),
        ({"layers": [{"kind": "shell"}]}, "a layer of the kind 'shell'"),
        ({"layers": 7}, "is damaged"),
        ({"roles": {"image": 12}}, "a role is that of no layer"),
        ({"settings": {"stages": -1}}, "stages"),
        ({"psf": {"class": "os.system", "numbers": {}}}, "no PSF of the kind 'os.system'"),
        ({"psf": {"class": "GaussianPSF", "numbers": {"sgma": 1}}}, "psf: .*sgma"),
        ({"fit": {}}, "is missing"),
    ],
)
def test_damaged_and_foreign_folders_are_named(session, tmp_path, changes, message):
    folder = tmp_path / "s.deltamic"
    write_session(folder, session)
    damage(folder, **changes)
    with pytest.raises(ValueError, match=message) as raised:
        read_session(folder)
    assert "s.deltamic" in str(raised.value)


def test_a_folder_that_is_no_session(tmp_path):
    with pytest.raises(ValueError, match=r"no session, because session\.json is not in it"):
        read_session(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_session(tmp_path / "none")
    (tmp_path / "session.json").write_text("{")
    with pytest.raises(ValueError, match="not a JSON file"):
        read_session(tmp_path)


def test_every_cut_file_is_named(session, tmp_path):
    folder = tmp_path / "s.deltamic"
    write_session(folder, session)
    for path in sorted(folder.rglob("*.npz")):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=path.name):
            read_session(folder)
        path.write_bytes(whole)
    read_session(folder)


class Evil:
    def __reduce__(self):
        return os.system, ("exit 3",)


def test_no_code_is_run_and_no_file_grows(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, data=np.array([Evil()], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npz cannot be read"):
        read_arrays(file)
    np.savez_compressed(file, data=np.zeros(10_000_000))
    with pytest.raises(ValueError, match="compressed"):
        read_arrays(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.npy", b"\x93NUMPY\x01\x00" + b"x" * 100)
    with pytest.raises(ValueError, match=r"a\.npz cannot be read"):
        read_arrays(file)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_lead_out_of_the_session_are_refused(session, tmp_path):
    folder, elsewhere = tmp_path / "s.deltamic", tmp_path / "elsewhere"
    write_session(folder, session)
    (data,) = folder.glob("data-*")
    file = data / "layer-0.npz"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"layer-0\.npz cannot be read .*is a link"):
        read_session(folder)
    file.unlink()
    elsewhere.rename(file)
    data.rename(elsewhere)
    data.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"its folder data-.* is missing"):
        read_session(folder)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "data-../..", "data-0123456789abcdef/..", "C:\\", "\\\\host\\x", 7, None, ["x"]],
)
def test_no_name_leads_out_of_the_session(session, tmp_path, name):
    folder = tmp_path / "s.deltamic"
    write_session(folder, session)
    damage(folder, data=name)
    with pytest.raises(ValueError, match="no folder of a session"):
        read_session(folder)


def test_an_image_with_a_name_that_no_system_takes(tmp_path):
    file = ImageFile("x" * 10_000, "napari", 0, (), "")
    folder = tmp_path / "s.deltamic"
    write_session(folder, SavedSession(layers=(SavedLayer("image", "image", {}, {}, file),)))
    with pytest.raises(ValueError, match=r"s\.deltamic: the session is damaged .*too long"):
        read_session(folder)


def test_a_session_moved_with_its_image_finds_it(tmp_path, session):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "image.tif").write_bytes(b"")
    file = ImageFile(str(here / "image.tif"), "napari", 0, (), "")
    layer = SavedLayer("image", "image", {}, {}, file)
    write_session(here / "s.deltamic", SavedSession(layers=(layer,)))
    here.rename(there)
    assert Path(read_session(there / "s.deltamic").layers[0].file.path) == there / "image.tif"
