"""Looking into a fit, while it runs and afterwards: earlier moments, colours, the residual."""

import time

import numpy as np
import pytest
from plugin_cases import CENTER, click, make_short, open_dock, wait_for_iterations
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_deltamic.mesh import concatenate, icosphere
from napari_deltamic.plugin.fit_colours import (
    BRIGHTNESS,
    CURVATURE,
    ERROR,
    REGION,
    RESIDUAL,
    STEP,
)
from napari_deltamic.plugin.fit_layers import MESH_LAYER, RENDERING_LAYER
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measure_layers import CELLS_LAYER
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS
from napari_deltamic.plugin.residual_layer import RESIDUAL_LAYER

pytestmark = pytest.mark.usefixtures("_engine")


def press(qtbot, widget, key):
    qtbot.keyClick(widget, key)


def choose(qtbot, combo, name):
    """Choose from a list as the keyboard does."""
    # What is typed sooner belongs to the word before.
    qtbot.wait(QApplication.keyboardInputInterval() + 50)
    qtbot.keyClicks(combo, name)
    assert combo.currentText() == name


def iterations_of(dock):
    return [moment.iteration for moment in dock.inspect._inspection.moments]


def run_short(qtbot, dock):
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)


@pytest.fixture
def fold(dock, qtbot):
    """Return the fold, opened by a click."""
    click(qtbot, dock.inspect.toggleButton())
    return dock.inspect


def test_the_fold_is_closed_and_there_is_nothing_to_go_back_to(dock, qtbot):
    assert not dock.inspect.isExpanded()
    assert not dock.inspect.slider.isEnabled()
    assert not dock.inspect.live.isEnabled()
    assert not dock.inspect.keep.isEnabled()
    click(qtbot, dock.inspect.toggleButton())
    assert dock.inspect.colour_by.isVisibleTo(dock)


def test_going_back_while_the_fit_runs_holds_the_view_but_not_the_fit(viewer, dock, fold, qtbot):
    viewer.dims.ndisplay = 3
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 8)
    assert fold.slider.value() == fold.slider.maximum()
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    surface, first = viewer.layers[MESH_LAYER], dock._session.worker.history.moments[0]
    assert fold.moment.text().startswith("Iteration 1, stage 1 of 12, loss ")
    np.testing.assert_allclose(surface.vertices, first.mesh.vertices, atol=1e-4)
    held = int(dock.progress.numbers.values["Iteration"].text())
    wait_for_iterations(qtbot, dock, held + 3)
    np.testing.assert_allclose(surface.vertices, first.mesh.vertices, atol=1e-4)
    assert fold.slider.value() == 0
    assert dock.progress.plot.marker.isVisible()
    assert dock.progress.plot.marker.value() == pytest.approx(1, abs=2)
    # What is read from the layer is the latest mesh all the same.
    latest = live_view_of(viewer).inspection._latest.mesh
    assert mesh_from_layer(surface) is latest
    click(qtbot, fold.live)
    assert not fold.live.isEnabled()
    assert not dock.progress.plot.marker.isVisible()
    assert mesh_from_layer(surface) is not latest
    wait_for_iterations(qtbot, dock, int(dock.progress.numbers.values["Iteration"].text()) + 2)
    latest = live_view_of(viewer).inspection._latest.mesh
    np.testing.assert_allclose(mesh_from_layer(surface).vertices, latest.vertices, atol=1e-4)


def test_in_2d_the_outline_and_the_rendering_go_back_too(viewer, dock, fold, qtbot):
    run_short(qtbot, dock)
    result = dock._session.result
    outline, rendering = viewer.layers[Outline.LAYER], viewer.layers[RENDERING_LAYER]
    latest = outline.data.copy()
    qtbot.waitUntil(lambda: np.array_equal(rendering.data, result.image), timeout=10_000)
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    assert fold.moment.text().startswith("Iteration 1,")
    assert outline.data.shape != latest.shape or np.abs(outline.data - latest).max() > 0.1
    qtbot.waitUntil(lambda: np.abs(rendering.data - result.image).max() > 5.0, timeout=10_000)
    first = live_view_of(viewer).inspection.shown
    np.testing.assert_allclose(rendering.data, first.render(), atol=1e-3)
    press(qtbot, fold.slider, Qt.Key.Key_End)
    np.testing.assert_array_equal(outline.data, latest)
    np.testing.assert_array_equal(rendering.data, result.image)
    assert fold.moment.text().startswith(f"Iteration {len(result.loss_history)}, stage 2 of 2")


def test_who_fits_from_an_earlier_moment_keeps_it_as_a_layer(viewer, dock, fold, qtbot):
    run_short(qtbot, dock)
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    first = live_view_of(viewer).inspection.shown.mesh
    click(qtbot, fold.keep)
    kept = viewer.layers["Mesh at iteration 1"]
    np.testing.assert_allclose(mesh_from_layer(kept).vertices, first.vertices, atol=1e-4)
    # It is in the list of meshes to start from; the fitted one there is the last of the fit.
    dock.mesh.choose(kept)
    assert dock.mesh.layer == kept
    fitted = mesh_from_layer(viewer.layers[MESH_LAYER])
    np.testing.assert_array_equal(fitted.vertices, dock._session.result.mesh.vertices)


def test_the_next_fit_begins_a_new_history_and_shows_it(viewer, dock, fold, qtbot):
    make_short(dock)
    # So that something is left to do: without noise a longer fit ends where no step helps.
    dock.form.fields["max_iterations"].value = 6
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    count = len(iterations_of(dock))
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    dock.mesh.choose(viewer.layers[MESH_LAYER])
    result = dock._session.result.mesh
    click(qtbot, dock.fit_button)
    assert fold._inspection.is_live
    assert fold.slider.maximum() < count - 1
    np.testing.assert_array_equal(dock._session.worker._mesh.vertices, result.vertices)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    assert iterations_of(dock)[0] == 1


def test_the_end_of_a_fit_shows_its_result(viewer, dock, fold, qtbot):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 4)
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    assert fold._inspection.is_live
    fitted = mesh_from_layer(viewer.layers[MESH_LAYER])
    assert fitted is not dock._session.result.mesh
    np.testing.assert_allclose(fitted.vertices, dock._session.result.mesh.vertices, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "unit"),
    [(STEP, "µm"), (CURVATURE, "1/µm"), (BRIGHTNESS, "per µm³"), (RESIDUAL, "× noise")],
)
def test_colours_follow_the_fit(viewer, dock, fold, qtbot, name, unit):
    viewer.dims.ndisplay = 3
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 2)
    choose(qtbot, fold.colour_by, name)
    surface = viewer.layers[MESH_LAYER]
    qtbot.waitUntil(lambda: fold.colour_bar.isVisibleTo(dock), timeout=10_000)
    assert fold.colour_bar.high.text().endswith(unit)
    low, high = surface.contrast_limits
    assert low == (-high if name in (CURVATURE, RESIDUAL) else 0.0)
    assert len(surface.vertex_values) == len(surface.vertices)
    values = surface.vertex_values.copy()

    def are_others():
        shown = surface.vertex_values
        return len(shown) != len(values) or np.any(shown != values)

    qtbot.waitUntil(are_others, timeout=30_000)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    assert mesh_from_layer(surface).regions.tolist() == [1]
    choose(qtbot, fold.colour_by, REGION)
    assert tuple(surface.contrast_limits) == CONTRAST_LIMITS
    assert surface.colormap.name == "regions"
    assert np.all(surface.vertex_values == 1.0)
    assert not fold.colour_bar.isVisibleTo(dock)


def test_earlier_moments_have_their_own_colours(viewer, dock, fold, qtbot):
    run_short(qtbot, dock)
    viewer.dims.ndisplay = 3
    choose(qtbot, fold.colour_by, CURVATURE)
    surface = viewer.layers[MESH_LAYER]
    qtbot.waitUntil(lambda: surface.colormap.name == "coolwarm", timeout=10_000)
    # A ball of 3 um in the end; it began with 2.2.
    assert np.median(surface.vertex_values) == pytest.approx(1 / 3, rel=0.1)
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    first = live_view_of(viewer).inspection.shown.mesh
    qtbot.waitUntil(lambda: len(surface.vertices) == len(first.vertices), timeout=10_000)
    radius = np.linalg.norm(first.vertices - first.vertices.mean(axis=0), axis=1).mean()
    assert np.median(surface.vertex_values) == pytest.approx(1 / radius, rel=0.1)


def test_in_2d_the_outline_has_the_colours(viewer, dock, fold, qtbot):
    run_short(qtbot, dock)
    outline = viewer.layers[Outline.LAYER]
    assert len(np.unique(outline.edge_color, axis=0)) == 1
    plain = outline.edge_color[0].copy()
    choose(qtbot, fold.colour_by, CURVATURE)
    qtbot.waitUntil(lambda: len(np.unique(outline.edge_color, axis=0)) > 3, timeout=10_000)
    viewer.dims.set_point(0, CENTER[0] + 0.8)
    assert len(outline.edge_color) == len(outline.data)
    assert len(np.unique(outline.edge_color, axis=0)) > 3
    choose(qtbot, fold.colour_by, REGION)
    np.testing.assert_array_equal(np.unique(outline.edge_color, axis=0), [plain])


def test_standard_errors_are_offered_once_they_are_known(viewer, dock, fold, qtbot):
    item = fold.colour_by.model().item(fold.colour_by.findText(ERROR))
    assert not item.isEnabled()
    assert "Standard errors" in item.toolTip()
    dock.form.fields["standard_errors"].value = True
    run_short(qtbot, dock)
    assert item.isEnabled()
    choose(qtbot, fold.colour_by, ERROR)
    surface, errors = viewer.layers[MESH_LAYER], dock._session.result.errors.vertices
    qtbot.waitUntil(lambda: fold.colour_bar.isVisibleTo(dock), timeout=10_000)
    np.testing.assert_allclose(np.sort(surface.vertex_values), np.sort(errors), rtol=1e-5)
    # Of earlier moments they are not known, and that is said.
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: fold.note.isVisibleTo(dock), timeout=10_000)
    assert not fold.colour_bar.isVisibleTo(dock)
    click(qtbot, dock.fit_button)
    assert fold.colour_by.currentText() == REGION
    assert not item.isEnabled()


def test_the_residual_comes_when_it_is_asked_for(viewer, dock, fold, qtbot, ball):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 2)
    assert not dock._session.worker.wants_residual
    assert RESIDUAL_LAYER not in viewer.layers
    click(qtbot, fold.residual)
    qtbot.waitUntil(lambda: RESIDUAL_LAYER in viewer.layers, timeout=10_000)
    layer, rendering = viewer.layers[RESIDUAL_LAYER], viewer.layers[RENDERING_LAYER]
    low, high = layer.contrast_limits
    assert low == -high
    assert layer.metadata[IS_RENDERING]
    np.testing.assert_allclose(layer.scale, rendering.scale)
    np.testing.assert_allclose(layer.translate, rendering.translate)
    before = layer.data
    qtbot.waitUntil(lambda: layer.data is not before, timeout=30_000)
    click(qtbot, fold.residual)
    assert not layer.visible
    assert not dock._session.worker.wants_residual
    shown = layer.data
    wait_for_iterations(qtbot, dock, int(dock.progress.numbers.values["Iteration"].text()) + 5)
    assert layer.data is shown
    # Nor is it a stack that one could fit.
    assert dock.image.chooser.findText(RESIDUAL_LAYER) < 0


def test_after_a_fit_the_residual_is_that_of_what_is_shown(viewer, dock, fold, qtbot, ball):
    run_short(qtbot, dock)
    click(qtbot, fold.residual)
    qtbot.waitUntil(lambda: RESIDUAL_LAYER in viewer.layers, timeout=10_000)
    layer, result = viewer.layers[RESIDUAL_LAYER], dock._session.result

    def left_of(image):
        return np.corrcoef(layer.data.ravel(), (ball.data - image).ravel())[0, 1]

    assert left_of(result.image) > 0.999
    size = np.abs(layer.data).max()
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: np.abs(layer.data).max() > 2 * size, timeout=10_000)
    assert left_of(live_view_of(viewer).inspection.shown.render()) > 0.999
    press(qtbot, fold.slider, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: left_of(result.image) > 0.999, timeout=10_000)


def test_measured_cells_give_way_to_what_is_inspected_and_come_back(viewer, dock, fold, qtbot):
    measures = open_dock(viewer, "Measures")
    run_short(qtbot, dock)
    qtbot.waitUntil(lambda: CELLS_LAYER in viewer.layers, timeout=30_000)
    viewer.dims.ndisplay = 3
    fitted, cells = viewer.layers[MESH_LAYER], viewer.layers[CELLS_LAYER]
    assert (fitted.visible, cells.visible) == (False, True)
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    assert (fitted.visible, cells.visible) == (True, False)
    # Measuring takes the latest mesh all the same.
    click(qtbot, measures.button)
    qtbot.waitUntil(lambda: cells.visible, timeout=30_000)
    assert not fitted.visible
    assert fold._inspection.is_live
    volume = measures._measured.cells[0]["volume"]
    assert volume == pytest.approx(dock._session.result.mesh.volumes()[0], rel=1e-6)
    choose(qtbot, fold.colour_by, CURVATURE)
    assert (fitted.visible, cells.visible) == (True, False)
    measures.separation.setValue(10)
    assert (fitted.visible, cells.visible) == (False, True)
    assert fold.colour_by.currentText() == REGION


def test_a_fit_tells_its_speed_and_its_time(viewer, dock, qtbot):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 5)
    qtbot.waitUntil(lambda: "s" in dock.progress.numbers.values["Speed"].text(), timeout=5_000)
    qtbot.waitUntil(
        lambda: dock.progress.numbers.values["Elapsed"].text() >= "0:02", timeout=20_000
    )
    click(qtbot, dock.pause_button)
    qtbot.wait(1200)
    held = dock.progress.numbers.values["Elapsed"].text()
    qtbot.wait(1500)
    assert dock.progress.numbers.values["Elapsed"].text() == held
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    over = dock.progress.numbers.values["Elapsed"].text()
    qtbot.wait(1200)
    assert dock.progress.numbers.values["Elapsed"].text() == over
    assert dock.progress.numbers.values["Left"].text() == "–"


def test_the_outline_of_a_large_mesh_follows_in_time(viewer, dock):
    view = live_view_of(viewer)
    parts = [icosphere(CENTER + shift, 1.5, 5) for shift in ((0, -2, 0), (0, 2, 0))]
    mesh = concatenate(parts)
    assert len(mesh.faces) > 40_000
    placement = dock.image.source().placement
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        viewer.dims.order = order
        viewer.dims.set_point(order[0], CENTER[order[0]] + 1.0)
        took = []
        for step in range(5):
            moved = mesh.with_vertices(mesh.vertices + 0.01 * step)
            # The time of this thread alone, whatever else the computer does.
            began = time.thread_time()
            view._layers.outline.show(moved, placement)
            took.append(time.thread_time() - began)
        assert len(view._layers.outline.layer.data) > 100
        assert np.median(took) < 0.045


def test_a_viewer_closes_while_colours_are_worked_out(viewer, dock, fold, qtbot):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 3)
    choose(qtbot, fold.colour_by, CURVATURE)
    click(qtbot, fold.residual)
    press(qtbot, fold.slider, Qt.Key.Key_Home)
    inspection = fold._inspection
    assert inspection._colours.is_busy or inspection._renderings.is_busy
    viewer.close()
    # An error in what arrives late would fail the test.
    qtbot.waitUntil(
        lambda: not inspection._colours.is_busy and not inspection._renderings.is_busy,
        timeout=10_000,
    )
