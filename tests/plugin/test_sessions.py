"""Saving a session in one viewer and opening it in another: layers, choices, result."""

import numpy as np
import pytest
import tifffile
from plugin_cases import SIGMA, SPACING, UM, click, make_short, open_dock
from qtpy.QtWidgets import QFileDialog

from napari_deltamic.plugin.guide_words import Standing
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measures_dock import CELLS
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.sessions.files import read_main_file, read_session

pytestmark = pytest.mark.usefixtures("_engine")


@pytest.fixture
def guide(viewer):
    """Return the guide, its seed chosen and its fit short."""
    viewer.add_points([[5.0, 4.0, 10.0]], name="Seed points", size=2.5, units=UM)
    labels = np.zeros(viewer.layers["ball"].data.shape, dtype=np.uint8)
    labels[4:9, 8:20, 8:20] = 3
    viewer.add_labels(labels, name="cells", scale=SPACING, units=UM)
    dock = open_dock(viewer, "deltaMic")
    session = live_view_of(viewer).session
    session.choose_mesh("mesh")
    session.choose_psf(gaussian(SIGMA))
    make_short(dock.fit)
    return dock


def fit_in(qtbot, viewer, guide):
    session = live_view_of(viewer).session
    qtbot.waitUntil(lambda: guide.image.noise is not None, timeout=60_000)
    guide.image.choose_marks("interior")
    guide.fit.form.fields["noise"].value = "poisson"
    click(qtbot, guide.fit.fit_button)
    qtbot.waitUntil(lambda: session.result is not None, timeout=60_000)
    qtbot.waitUntil(
        lambda: guide.measures is not None and not guide.measures.is_busy, timeout=60_000
    )
    return session.result


def save(qtbot, guide, folder, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    click(qtbot, guide.sessions.save_button)
    qtbot.waitUntil(guide.sessions.save_button.isEnabled, timeout=60_000)
    assert (folder / "session.json").is_file()


def open_in(qtbot, guide, folder, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    click(qtbot, guide.sessions.open_button)


def test_it_comes_back_with_layers_choices_and_result(
    viewer, guide, qtbot, tmp_path, make_napari_viewer_proxy, monkeypatch
):
    result = fit_in(qtbot, viewer, guide)
    moments = live_view_of(viewer).session.moments
    assert len(moments) > 2
    save(qtbot, guide, tmp_path / "ball.deltamic", monkeypatch)
    other = make_napari_viewer_proxy(show=True)
    dock = open_dock(other, "deltaMic")
    open_in(qtbot, dock, tmp_path / "ball.deltamic", monkeypatch)
    session = live_view_of(other).session
    qtbot.waitUntil(lambda: session.result is not None, timeout=60_000)
    qtbot.waitUntil(
        lambda: dock.measures is not None and dock.measures.tables[CELLS].model().rowCount() == 1,
        timeout=60_000,
    )
    for name in ("ball", "mesh", "Seed points", "cells"):
        one, new = viewer.layers[name], other.layers[name]
        for part in ("scale", "translate", "units", "opacity"):
            np.testing.assert_array_equal(getattr(new, part), getattr(one, part))
    np.testing.assert_array_equal(other.layers["ball"].data, viewer.layers["ball"].data)
    np.testing.assert_array_equal(other.layers["cells"].data, viewer.layers["cells"].data)
    np.testing.assert_array_equal(other.layers["Seed points"].size, [2.5])
    np.testing.assert_array_equal(
        mesh_from_layer(other.layers["mesh"]).vertices,
        mesh_from_layer(viewer.layers["mesh"]).vertices,
    )
    np.testing.assert_array_equal(session.result.mesh.vertices, result.mesh.vertices)
    np.testing.assert_array_equal(other.layers["Rendering"].data, result.image)
    assert session.result.loss_history == result.loss_history
    assert len(session.moments) == len(moments)
    assert session.psf_choice.arguments == {"sigma": SIGMA}
    assert dock.fit.form.settings() == guide.fit.form.settings()
    assert dock.fit.form.settings().noise == "poisson"
    qtbot.waitUntil(lambda: dock.image.noise is not None, timeout=60_000)
    # What the image looks like does not take the place of what was chosen.
    assert dock.fit.form.settings().noise == "poisson"
    assert dock.image.chosen_marks == "interior"
    assert dock.fit.mesh.layer.name == "mesh"
    qtbot.waitUntil(
        lambda: {step.state.standing for step in dock.steps.values()} == {Standing.DONE},
        timeout=60_000,
    )


def test_what_is_there_stays(viewer, guide, qtbot, tmp_path, monkeypatch):
    fit_in(qtbot, viewer, guide)
    save(qtbot, guide, tmp_path / "ball.deltamic", monkeypatch)
    names = ("ball", "mesh", "cells", "Fitted mesh", "Rendering")
    before = {name: viewer.layers[name] for name in names}
    kept = {name: np.copy(layer.data[0]) for name, layer in before.items()}
    open_in(qtbot, guide, tmp_path / "ball.deltamic", monkeypatch)
    qtbot.waitUntil(lambda: "Rendering [1]" in viewer.layers, timeout=60_000)
    for name, layer in before.items():
        assert viewer.layers[name] == layer
        np.testing.assert_array_equal(layer.data[0], kept[name])
    assert {"ball [1]", "mesh [1]", "cells [1]", "Fitted mesh [1]"} <= {
        layer.name for layer in viewer.layers
    }
    assert live_view_of(viewer).session.image_name == "ball [1]"


def test_an_image_with_a_file_is_not_copied(
    make_napari_viewer_proxy, ball, qtbot, tmp_path, monkeypatch
):
    file, folder = tmp_path / "two channels.tif", tmp_path / "s.deltamic"
    data = np.stack([ball.data, ball.data[::-1]]).astype(np.float32)
    tifffile.imwrite(file, data)
    viewer = make_napari_viewer_proxy()
    layer = viewer.open(file, plugin="napari", scale=(1.0, *SPACING), units=("pixel", *UM))[0]
    viewer.dims.set_point(0, 1.0)
    dock = open_dock(viewer, "deltaMic")
    save(qtbot, dock, folder, monkeypatch)
    facts = read_main_file(folder)["layers"][0]
    assert facts["shapes"] == {}
    assert facts["file"]["path"] == str(file)
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 100_000
    other = make_napari_viewer_proxy()
    dock = open_dock(other, "deltaMic")
    open_in(qtbot, dock, folder, monkeypatch)
    qtbot.waitUntil(lambda: layer.name in other.layers, timeout=60_000)
    qtbot.waitUntil(lambda: live_view_of(other).session.image_name == layer.name, timeout=60_000)
    np.testing.assert_array_equal(other.layers[layer.name].data, data)
    qtbot.waitUntil(lambda: other.dims.point[0] == 1.0, timeout=10_000)


@pytest.mark.parametrize("change", ["gone", "another"])
def test_an_image_that_is_missing_or_another_is_named(
    make_napari_viewer_proxy, ball, qtbot, tmp_path, monkeypatch, notes, change
):
    file, folder = tmp_path / "ball.tif", tmp_path / "s.deltamic"
    tifffile.imwrite(file, ball.data)
    viewer = make_napari_viewer_proxy()
    viewer.open(file, plugin="napari")
    viewer.add_points([[1, 2, 3]], name="clicks")
    dock = open_dock(viewer, "deltaMic")
    save(qtbot, dock, folder, monkeypatch)
    file.unlink()
    if change == "another":
        tifffile.imwrite(file, ball.data + 1)
    other = make_napari_viewer_proxy()
    open_in(qtbot, open_dock(other, "deltaMic"), folder, monkeypatch)
    word = "missing" if change == "gone" else "not as it was"
    qtbot.waitUntil(lambda: any(word in note for note in notes), timeout=60_000)
    assert [layer.name for layer in other.layers] == ["clicks"]


def test_before_a_fit_the_form_and_the_psf_are_kept(viewer, guide, qtbot, tmp_path, monkeypatch):
    qtbot.waitUntil(lambda: guide.image.noise is not None, timeout=60_000)
    guide.fit.form.fields["edge_length"].value = 0.7
    save(qtbot, guide, tmp_path / "s.deltamic", monkeypatch)
    saved = read_session(tmp_path / "s.deltamic")
    assert saved.settings.edge_length == 0.7
    assert saved.psf.arguments == {"sigma": SIGMA}
    assert saved.result is None
    assert saved.image.name == "ball"


def test_a_folder_of_others_is_not_written_into(viewer, guide, qtbot, tmp_path, monkeypatch, notes):
    folder = tmp_path / "thesis.deltamic"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    click(qtbot, guide.sessions.save_button)
    assert any("holds other things" in note for note in notes)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_session_can_be_dropped_onto_napari(
    viewer, guide, qtbot, tmp_path, make_napari_viewer_proxy, monkeypatch
):
    save(qtbot, guide, tmp_path / "s.deltamic", monkeypatch)
    other = make_napari_viewer_proxy()
    assert other.open(tmp_path / "s.deltamic", plugin="napari-deltamic") == []
    qtbot.waitUntil(lambda: "cells" in other.layers, timeout=60_000)
    session = live_view_of(other).session
    qtbot.waitUntil(lambda: session.mesh_name == "mesh", timeout=60_000)


def test_the_file_menu_saves_and_opens(viewer, guide, qtbot, tmp_path, monkeypatch):
    folder = tmp_path / "s.deltamic"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    menus = [one.menu() for one in viewer.window.file_menu.actions() if one.menu() is not None]
    found = {one.text(): one for menu in menus for one in menu.actions()}
    found |= {
        one.text(): one
        for menu in menus
        for sub in menu.actions()
        if sub.menu()
        for one in sub.menu().actions()
    }
    save_action = next(action for text, action in found.items() if "Save session" in text)
    save_action.trigger()
    qtbot.waitUntil(lambda: not live_view_of(viewer).actions.is_busy, timeout=60_000)
    next(action for text, action in found.items() if "Open session" in text).trigger()
    qtbot.waitUntil(lambda: "cells [1]" in viewer.layers, timeout=60_000)


def test_its_buttons_can_be_reached_by_the_keyboard(viewer, guide):
    row = guide.sessions
    for button in (row.save_button, row.open_button, row.repeat_button):
        assert button.focusPolicy() & button.focusPolicy().TabFocus
        assert button.toolTip()
    assert not row.repeat_button.isEnabled()
