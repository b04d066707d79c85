"""Real fits from the Fit dock: real clicks, real layers, real pixels."""

import re
import time

import numpy as np
import pytest
from napari.layers import Surface
from plugin_cases import (
    CENTER,
    ORIGIN,
    RADIUS,
    SPACING,
    UM,
    click,
    long_fit,
    make_short,
    open_dock,
    wait_for_iterations,
)

from napari_deltamic import fitting
from napari_deltamic.meshft import backends
from napari_deltamic.meshft.backends import choose_backend
from napari_deltamic.plugin.fit_layers import MESH_LAYER, RENDERING_LAYER
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.mesh_layers import mesh_from_layer

pytestmark = pytest.mark.usefixtures("_engine")


def test_fit_finds_the_ball_and_shows_it(viewer, dock, qtbot, ball):
    make_short(dock)
    click(qtbot, dock.fit_button)
    assert not dock.fit_button.isEnabled()
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    mesh = mesh_from_layer(viewer.layers[MESH_LAYER])
    assert mesh.volumes()[0] == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER, atol=0.2)
    rendering = viewer.layers[RENDERING_LAYER]
    np.testing.assert_allclose(rendering.scale, SPACING)
    np.testing.assert_allclose(rendering.translate, ORIGIN)
    assert rendering.units == viewer.layers["ball"].units == viewer.layers[MESH_LAYER].units
    assert np.abs(rendering.data - ball.data).max() < 0.1 * ball.data.max()
    assert viewer.layers[MESH_LAYER].shading == "smooth"
    assert not viewer.layers["mesh"].visible
    assert "1 region" in dock.status.text()
    x, y = dock.progress.plot.curve.getData()
    assert len(x) == len(y) == len(dock._session.result.loss_history)
    assert y[-1] < y[0]


def test_everything_moves_while_the_gui_stays_alive(viewer, dock, qtbot):
    viewer.dims.ndisplay = 3
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 1)
    surface = viewer.layers[MESH_LAYER]
    assert surface.shading == "none"
    before, points = surface.vertices.copy(), len(dock.progress.plot.curve.getData()[0])
    wait_for_iterations(qtbot, dock, int(dock.progress.numbers.values["Iteration"].text()) + 3)
    assert surface.vertices.shape != before.shape or np.any(surface.vertices != before)
    assert len(dock.progress.plot.curve.getData()[0]) > points
    assert RENDERING_LAYER in viewer.layers
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    assert "Stopped by the user" in dock.status.text()
    assert surface.shading == "smooth"


def phase(dock):
    worker = dock._session.worker
    return None if worker is None else worker.phase


def test_pause_resume_and_stop(viewer, dock, qtbot):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 1)
    click(qtbot, dock.pause_button)
    assert dock.pause_button.text() == "Resume"
    assert dock.status.text().startswith("Paused")
    qtbot.wait(300)
    held = len(dock._session.worker.losses)
    qtbot.wait(300)
    assert len(dock._session.worker.losses) == held
    click(qtbot, dock.pause_button)
    assert dock.pause_button.text() == "Pause"
    wait_for_iterations(qtbot, dock, held + 1)
    click(qtbot, dock.pause_button)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    assert phase(dock) is Phase.FINISHED
    assert dock.save_button.isEnabled()


def test_a_second_fit_goes_on_from_the_fitted_mesh(viewer, dock, qtbot):
    make_short(dock)
    viewer.dims.ndisplay = 3
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    count = len(viewer.layers)
    dock.mesh.choose(viewer.layers[MESH_LAYER])
    first = dock._session.result
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    assert dock._session.result is not first
    assert len(viewer.layers) == count
    assert viewer.layers[MESH_LAYER].visible


def test_closing_the_viewer_ends_the_thread(viewer, dock, qtbot):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 1)
    worker = dock._session.worker
    began = time.perf_counter()
    viewer.close()
    assert worker.join(0.0)
    assert time.perf_counter() - began < 3.0


def test_a_failing_fit_is_told_and_the_dock_is_ready_again(viewer, dock, qtbot, notes, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(fitting, "fit", broken, raising=False)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=30_000)
    assert any("illegal memory access" in note for note in notes)
    # The notification goes by and is cut short.
    assert dock.status.text().startswith("Failed: CUDA error: an illegal memory access")
    assert not dock.stop_button.isEnabled()


def test_dashed_lines_stand_where_stages_began(viewer, dock, qtbot):
    make_short(dock)
    dock.form.fields["stages"].value = 4
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    starts = [start + 1 for start in dock._session.result.stage_starts]
    assert [line.value() for line in dock.progress.plot.stage_lines] == starts[1:]


def test_the_dock_says_what_computes_and_why(dock, qtbot):
    def says(text):
        return lambda: text in dock.device.text()

    qtbot.waitUntil(says(choose_backend("auto", None)[1]), timeout=30_000)
    dock.form.fields["backend"].value = "cpu"
    qtbot.waitUntil(says("CPU: asked for"), timeout=30_000)


def test_a_device_that_is_not_there_is_told_before_the_fit(dock, qtbot, notes, monkeypatch):
    def none(name, _device):
        raise ValueError(f"backend: there is no GPU for {name!r}; use 'cpu'")

    monkeypatch.setattr(backends, "choose_backend", none)
    dock.form.fields["backend"].value = "cuda"
    qtbot.waitUntil(lambda: "no GPU for 'cuda'" in dock.device.text(), timeout=30_000)
    assert not list(notes)


def test_a_result_is_saved_from_the_dock(viewer, dock, qtbot, tmp_path):
    assert not dock.save_button.isEnabled()
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    dock.save_to(tmp_path / "result")
    qtbot.waitUntil(lambda: not dock._saving.is_busy, timeout=30_000)
    assert len(list((tmp_path / "result").iterdir())) == 5


def bad_nothing(viewer):
    viewer.layers.clear()


def bad_no_mesh(viewer):
    viewer.layers.remove("mesh")


def bad_plane(viewer):
    viewer.layers.remove("ball")
    viewer.add_image(np.zeros((9, 9)))


def bad_rgb(viewer):
    viewer.layers.remove("ball")
    viewer.add_image(np.zeros((9, 9, 9, 3), np.uint8), rgb=True)


def bad_nan(viewer):
    viewer.layers["ball"].data = np.full_like(viewer.layers["ball"].data, np.nan)


def bad_open_mesh(viewer):
    vertices, faces, values = viewer.layers["mesh"].data
    viewer.layers.remove("mesh")
    viewer.add_surface((vertices, faces[1:], values), name="open", units=UM)


def bad_far_mesh(viewer):
    viewer.layers["mesh"].translate = (500, 500, 500)


def bad_dark_image(viewer):
    viewer.layers["ball"].data = np.zeros_like(viewer.layers["ball"].data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (bad_nothing, "choose an image"),
        (bad_no_mesh, "choose a mesh"),
        (bad_plane, "has 2 axes"),
        (bad_rgb, "RGB"),
        (bad_nan, "NaN"),
        (bad_open_mesh, "closed"),
        (bad_far_mesh, "outside the image"),
        (bad_dark_image, "every voxel is 0"),
    ],
)
def test_bad_input_is_told_and_the_dock_stays_ready(unseen_viewer, qtbot, notes, spoil, message):
    dock = long_fit(unseen_viewer)
    spoil(unseen_viewer)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: any(re.search(message, note) for note in notes), timeout=30_000)
    assert re.search(message, dock.status.text())
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=30_000)


def test_a_dock_opened_again_shows_the_fit_that_runs(viewer, dock, qtbot):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 2)
    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer, "Fit")
    assert again.status.text() == "Fitting"
    assert again.stop_button.isEnabled()
    assert not again.fit_button.isEnabled()
    wait_for_iterations(qtbot, again, 3)
    click(qtbot, again.stop_button)
    qtbot.waitUntil(again.fit_button.isEnabled, timeout=10_000)
    assert "Stopped by the user" in again.status.text()


def test_two_quick_clicks_start_one_fit(viewer, dock, qtbot, notes):
    click(qtbot, dock.fit_button)
    worker = dock._session.worker
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 1)
    assert dock._session.worker is worker
    assert not list(notes)


def test_the_form_says_what_pydantic_says(dock):
    settings = dock.form.settings()
    assert settings.label == "interior"
    assert settings.edge_length is None
    dock.form.fields["edge_length"].value = 0.7
    assert dock.form.settings().edge_length == pytest.approx(0.7)
    for name, field in fitting.FitSettings.model_fields.items():
        assert dock.form.fields[name].tooltip == field.description
    assert not dock.form.fields["remesh"].native.text()
    assert settings.learn == ()
    dock.form.fields["learn"].value = "sigma_z, na"
    assert dock.form.settings().learn == ("sigma_z", "na")


def test_the_dock_lists_only_fitting_layers(viewer, dock):
    viewer.add_points([[0, 0, 0]])
    viewer.add_labels(np.zeros((3, 4, 5), int))
    assert [dock.image.chooser.itemText(k) for k in range(dock.image.chooser.count())] == ["ball"]
    surfaces = [layer.name for layer in viewer.layers if isinstance(layer, Surface)]
    assert [dock.mesh.itemText(k) for k in range(dock.mesh.count())] == surfaces
    viewer.layers["ball"].name = "renamed"
    assert dock.image.chooser.currentText() == "renamed"
