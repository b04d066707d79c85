"""Correcting meshes and steering a held fit: real clicks, a real viewer, real fits."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels
from plugin_cases import UM, click, open_dock, wait_for_iterations
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_deltamic.imaging import make_embryo
from napari_deltamic.mesh import icosphere, remesh, split_region
from napari_deltamic.plugin.correction_layer import CORRECTION_LAYER
from napari_deltamic.plugin.edit_highlight import CHOSEN_OUTLINE
from napari_deltamic.plugin.fit_layers import MESH_LAYER
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import mesh_from_layer, surface_data, surface_options
from napari_deltamic.plugin.psf_choice import gaussian

BLUR = (1.0, 0.6, 0.6)
pytestmark = pytest.mark.usefixtures("_engine")


@pytest.fixture(scope="module")
def embryo():
    return make_embryo(cells=4, spacing=(0.8, 0.4, 0.4), seed=1)


@pytest.fixture(scope="module")
def seed_of_embryo(embryo):
    return remesh(embryo.truth, 1.0)


def opened(viewer, embryo, mesh, show=True):
    stack = embryo.stack
    image = viewer.add_image(
        stack.data, name="embryo", scale=stack.spacing, translate=stack.origin, units=UM
    )
    viewer.add_surface(surface_data(mesh), name="seed", units=UM, **surface_options(mesh))
    viewer.layers.selection.active = image
    dock = open_dock(viewer, "Fit")
    live_view_of(viewer).session.choose_psf(gaussian(BLUR))
    dock.edit.expand(animate=False)
    return dock


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def dock(viewer, embryo, seed_of_embryo):
    return opened(viewer, embryo, seed_of_embryo)


def mesh_of(viewer, name="seed"):
    return mesh_from_layer(viewer.layers[name])


def press(qtbot, button, panel):
    assert button.isEnabled()
    click(qtbot, button)
    qtbot.waitUntil(lambda: not panel._task.is_busy, timeout=60_000)


def press_at(viewer, panel, position, direction=None, to=None, modifiers=()):
    """Press, maybe move, and release the mouse at a place of the world, as the canvas reports."""
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        modifiers=modifiers,
        position=position,
        view_direction=direction,
        handled=False,
    )
    tools = panel._tools
    steps = tools._on_press(tools._viewer, event)
    next(steps, None)
    if to is not None:
        event.type, event.position = "mouse_move", to
        next(steps, None)
    event.type = "mouse_release"
    for _ in steps:
        pass


def middle_of(mesh, region):
    return mesh.region_mesh(region).vertices.mean(axis=0)


def start_and_pause(qtbot, dock, iterations=3, stage=None):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, iterations)
    if stage is not None:
        qtbot.waitUntil(
            lambda: dock.progress.numbers.values["Stage"].text().startswith(f"{stage} of"),
            timeout=120_000,
        )
    click(qtbot, dock.pause_button)
    qtbot.waitUntil(lambda: dock._session.worker.phase is Phase.PAUSED, timeout=30_000)
    qtbot.wait(400)


def make_short(dock):
    dock.form.fields["stages"].value = 3
    dock.form.fields["max_iterations"].value = 24


def test_a_seed_is_corrected_undone_and_redone(viewer, dock, qtbot, seed_of_embryo):
    panel = dock.edit
    assert panel.subject.text() == "Corrects: seed"
    before = viewer.layers["seed"].data
    seed = mesh_of(viewer)
    press_at(viewer, panel, tuple(middle_of(seed, 2)))
    assert panel.regions.text() == "2"
    assert len(viewer.layers[CHOSEN_OUTLINE].data) > 0
    press(qtbot, panel.delete, panel)
    assert 2 not in mesh_of(viewer).regions
    assert "3 regions left" in panel.message.text()
    assert panel.regions.text() == ""
    neighbour = int(seed.neighbours(1)[seed.neighbours(1) > 2][0])
    panel.choose(1)
    press_at(viewer, panel, tuple(middle_of(seed, neighbour)), modifiers=("Shift",))
    press(qtbot, panel.merge, panel)
    merged = mesh_of(viewer)
    assert len(merged.regions) == 2
    assert panel.undo.toolTip().startswith("Undo: merge")
    press(qtbot, panel.undo, panel)
    press(qtbot, panel.undo, panel)
    assert not panel.undo.isEnabled()
    for now, then in zip(viewer.layers["seed"].data, before, strict=True):
        assert np.array_equal(now, then)
    assert np.array_equal(mesh_of(viewer).labels, seed.labels)
    press(qtbot, panel.redo, panel)
    press(qtbot, panel.redo, panel)
    assert np.array_equal(mesh_of(viewer).vertices, merged.vertices)
    assert not panel.redo.isEnabled()


def test_a_click_in_3d_chooses_the_cell_in_front(viewer, dock):
    panel, seed = dock.edit, mesh_of(viewer)
    viewer.dims.ndisplay = 3
    for region in seed.regions.tolist():
        start = middle_of(seed, region) - (60.0, 0.0, 0.0)
        press_at(viewer, panel, tuple(start), (1.0, 0.0, 0.0))
        chosen = int(panel.regions.text())
        ray = seed.region_mesh(chosen).vertices
        assert np.linalg.norm((ray - middle_of(seed, region))[:, 1:], axis=1).min() < 1.5
    press_at(viewer, panel, (-60.0, 500.0, 500.0), (1.0, 0.0, 0.0))
    assert panel.regions.text() == ""


def test_split_smooth_and_drag(viewer, dock, qtbot):
    panel, seed = dock.edit, mesh_of(viewer)
    volumes = seed.volumes()
    panel.choose(1)
    press(qtbot, panel.split, panel)
    assert panel.regions.text() == "1, 5"
    parts = mesh_of(viewer).volumes()
    assert parts[0] + parts[4] == pytest.approx(volumes[0], rel=1e-4)
    panel.choose()
    press(qtbot, panel.smooth, panel)
    np.testing.assert_allclose(mesh_of(viewer).volumes(), parts, rtol=0.02)
    click(qtbot, panel.drag)
    panel.radius.setValue(3.0)
    before = mesh_of(viewer)
    top = before.vertices[np.argmax(before.vertices[:, 1])]
    viewer.dims.set_point(0, top[0])
    press_at(viewer, panel, tuple(top), to=tuple(np.add(top, (0.0, 2.0, 0.0))))
    after = mesh_of(viewer)
    assert after.vertices[:, 1].max() == pytest.approx(top[1] + 2.0, abs=0.05)
    assert "Dragged by 2" in panel.message.text()
    assert viewer.scene.camera.mouse_pan
    press(qtbot, panel.undo, panel)
    assert np.array_equal(mesh_of(viewer).vertices, before.vertices)


def test_a_region_is_added_where_one_clicks(viewer, dock, qtbot, notes):
    panel, seed = dock.edit, mesh_of(viewer)
    corner = seed.vertices.min(axis=0) - 1.0
    click(qtbot, panel.add)
    panel.radius.setValue(1.5)
    press_at(viewer, panel, tuple(corner))
    qtbot.waitUntil(lambda: 5 in mesh_of(viewer).regions, timeout=30_000)
    np.testing.assert_allclose(middle_of(mesh_of(viewer), 5), corner, atol=0.05)
    press_at(viewer, panel, tuple(middle_of(seed, 1)))
    qtbot.waitUntil(lambda: any("lies in region 1" in note for note in notes), timeout=30_000)
    assert panel.message.is_warning


def test_painting_makes_the_mesh_anew(viewer, dock, qtbot):
    panel, seed = dock.edit, mesh_of(viewer)
    panel.choose(3)
    press(qtbot, panel.paint, panel)
    layer = viewer.layers[CORRECTION_LAYER]
    assert isinstance(layer, Labels)
    assert (layer.mode, layer.selected_label) == ("paint", 3)
    spot = tuple(int(n) for n in np.argwhere(layer.data == 1).mean(axis=0))
    layer.paint(spot, 3)
    painted = np.array(layer.data)
    assert (painted == 1).sum() > 0
    click(qtbot, dock.fit_button)
    assert "press Apply or Discard" in dock.status.text()
    press(qtbot, panel.apply, panel)
    after = mesh_of(viewer)
    voxel = np.prod(layer.scale)
    for region, volume in zip(after.regions.tolist(), after.volumes(), strict=True):
        assert volume == pytest.approx((painted == region).sum() * voxel, rel=0.05)
    assert not layer.visible
    press(qtbot, panel.undo, panel)
    assert np.array_equal(mesh_of(viewer).faces, seed.faces)


def test_a_region_deleted_while_the_fit_is_held_stays_away(viewer, dock, qtbot):
    panel = dock.edit
    make_short(dock)
    start_and_pause(qtbot, dock, stage=2)
    assert panel.subject.text() == f"Corrects: {MESH_LAYER}"
    panel.choose(4)
    press(qtbot, panel.delete, panel)
    assert mesh_of(viewer, MESH_LAYER).regions.tolist() == [1, 2, 3]
    done = len(dock._session.worker.losses)
    qtbot.wait(300)
    assert mesh_of(viewer, MESH_LAYER).regions.tolist() == [1, 2, 3]
    click(qtbot, dock.pause_button)
    assert dock.status.text() == "Going on from stage 2 with the corrected mesh"
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=120_000)
    result = dock._session.result
    assert result.mesh.regions.tolist() == [1, 2, 3]
    assert [line.value() for line in dock.progress.plot.change_lines] == [done + 1]
    assert len(result.loss_history) == len(dock.progress.plot.curve.getData()[0]) > done
    history = dock._session.worker.history.moments
    assert {4} & set(history[0].mesh.regions.tolist())
    assert [one.iteration for one in history] == sorted({one.iteration for one in history})


def test_new_settings_are_used_on_resume(viewer, dock, qtbot):
    make_short(dock)
    start_and_pause(qtbot, dock)
    first = dock._session.worker
    assert dock.form.isEnabled()
    dock.form.fields["noise"].value = "poisson"
    click(qtbot, dock.pause_button)
    assert dock.status.text() == "Going on from stage 1 with the new settings"
    assert dock._session.worker is not first
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=120_000)
    assert dock._session.result.settings.noise == "poisson"
    assert first.phase.is_over


def test_without_a_change_the_fit_just_goes_on(viewer, dock, qtbot):
    start_and_pause(qtbot, dock)
    panel, worker = dock.edit, dock._session.worker
    press(qtbot, panel.smooth, panel)
    press(qtbot, panel.undo, panel)
    click(qtbot, dock.pause_button)
    assert dock._session.worker is worker
    wait_for_iterations(qtbot, dock, len(worker.losses) + 1)
    assert worker.phase is Phase.RUNNING
    assert not panel.delete.isEnabled()
    click(qtbot, panel.pause)
    qtbot.waitUntil(panel.delete.isEnabled, timeout=30_000)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=30_000)


def test_new_optics_and_another_seed(viewer, dock, qtbot, embryo):
    make_short(dock)
    start_and_pause(qtbot, dock)
    dock._session.choose_psf(gaussian((0.6, 0.35, 0.35)))
    click(qtbot, dock.pause_button)
    assert dock.status.text() == "Going on from stage 1 with the new optics"
    wait_for_iterations(qtbot, dock, len(dock._session.worker.losses) + 2)
    click(qtbot, dock.pause_button)
    ball = icosphere(middle_of(mesh_of(viewer), 1), 4.0)
    viewer.add_surface(surface_data(ball), name="ball", units=UM, **surface_options(ball))
    dock.mesh.setCurrentIndex(dock.mesh.findText("ball"))
    dock.mesh.activated.emit(dock.mesh.currentIndex())
    click(qtbot, dock.pause_button)
    assert dock.status.text() == "Going on from stage 1 with the chosen mesh"
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=120_000)
    assert dock._session.result.mesh.regions.tolist() == [1]
    assert len(dock.progress.plot.change_lines) == 2


def test_stopping_keeps_a_correction(viewer, dock, qtbot):
    start_and_pause(qtbot, dock)
    panel = dock.edit
    panel.choose(1)
    press(qtbot, panel.delete, panel)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=30_000)
    assert mesh_of(viewer, MESH_LAYER).regions.tolist() == [2, 3, 4]
    assert panel.undo.isEnabled()


def test_cells_that_were_split_by_mistake_are_merged_and_fitted(
    viewer, qtbot, embryo, seed_of_embryo
):
    dock = opened(viewer, embryo, split_region(seed_of_embryo, 2))
    panel = dock.edit
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=120_000)
    assert not dock.fine.isVisible()
    panel.choose(2, 5)
    press(qtbot, panel.merge, panel)
    assert dock.mesh.layer == viewer.layers[MESH_LAYER]
    assert dock.fine.isVisible()
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=120_000)
    result = dock._session.result
    assert result.mesh.regions.tolist() == [1, 2, 3, 4]
    assert len(result.stage_starts) == 2
    np.testing.assert_allclose(result.mesh.volumes(), embryo.volumes(), rtol=0.02)


def test_a_real_click_on_the_canvas_chooses_a_cell(viewer, dock, qtbot):
    viewer.dims.ndisplay = 3
    viewer.fit_to_view()
    qtbot.wait(300)
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(canvas, canvas.rect().center())
    QTest.mouseClick(
        canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, canvas.rect().center()
    )
    qtbot.waitUntil(lambda: dock.edit.regions.text() != "", timeout=5_000)
    dock.edit.collapse(animate=False)
    assert len(viewer.layers[CHOSEN_OUTLINE].data) == 0


def test_numbers_that_are_none_are_told(viewer, dock, qtbot, notes):
    panel = dock.edit
    panel.regions.setText("three")
    click(qtbot, panel.delete)
    assert "type numbers" in panel.message.text()
    panel.regions.setText("")
    click(qtbot, panel.split)
    assert "choose a region first" in panel.message.text()
    panel.regions.setText("17")
    press(qtbot, panel.delete, panel)
    assert any("17 is not one of the mesh's regions" in note for note in notes)
