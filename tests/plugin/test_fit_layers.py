"""What a fit draws in the viewer, and what it leaves alone."""

import numpy as np
import pytest
from plugin_cases import CENTER, SIGMA, UM, click, long_fit, make_short, wait_for_iterations

from napari_deltamic.mesh import double_bubble, icosphere
from napari_deltamic.plugin.fit_layers import MESH_LAYER, RENDERING_LAYER, FitLayers
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.preview import Preview
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.spatial import StackSource, placement_of

pytestmark = pytest.mark.usefixtures("_engine")


def test_layers_that_the_user_removes_come_back(unseen_viewer, qtbot):
    viewer, dock = unseen_viewer, long_fit(unseen_viewer)
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 2)
    qtbot.waitUntil(lambda: RENDERING_LAYER in viewer.layers, timeout=30_000)
    for name in (MESH_LAYER, RENDERING_LAYER, Outline.LAYER):
        viewer.layers.remove(name)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    assert {MESH_LAYER, Outline.LAYER} <= {layer.name for layer in viewer.layers}
    qtbot.waitUntil(lambda: RENDERING_LAYER in viewer.layers, timeout=10_000)


def test_the_rendering_and_the_outline_are_seen(viewer, dock, qtbot):
    make_short(dock)
    viewer.dims.set_point(0, CENTER[0])
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    viewer.layers["ball"].visible = False
    pixels = viewer.screenshot(canvas_only=True, flash=False).astype(int)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    magenta = (red > 100) & (blue > 100) & (green < 60)
    yellow = (red > 150) & (green > 150) & (blue < 100)
    assert magenta.sum() > 500
    assert yellow.sum() > 50
    # The yellow contour runs round the magenta ball.
    rows, columns = np.nonzero(yellow)
    inside = np.argwhere(magenta)
    assert rows.min() < inside[:, 0].mean() < rows.max()
    assert columns.min() < inside[:, 1].mean() < columns.max()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def fail_at_the_start(qtbot, dock):
    dock._session.choose_psf(gaussian((50.0, 50.0, 50.0)))
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: dock.status.text().startswith("Failed"), timeout=30_000)
    dock._session.choose_psf(gaussian(SIGMA))


def test_a_fit_that_fails_at_its_start_leaves_nothing(viewer, dock, qtbot, notes):
    before = names(viewer)
    fail_at_the_start(qtbot, dock)
    assert any("psf: along" in note for note in notes)
    assert names(viewer) == before
    assert viewer.layers["mesh"].visible


def test_a_failed_start_keeps_the_result_before(viewer, dock, qtbot, notes):
    make_short(dock)
    viewer.dims.ndisplay = 3
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    before, surface = names(viewer), viewer.layers[MESH_LAYER]
    vertices, result = surface.vertices.copy(), dock._session.result
    outline = viewer.layers[Outline.LAYER].data.copy()
    fail_at_the_start(qtbot, dock)
    assert names(viewer) == before
    assert dock._session.result is result
    np.testing.assert_array_equal(surface.vertices, vertices)
    np.testing.assert_array_equal(viewer.layers[Outline.LAYER].data, outline)
    assert surface.shading == "smooth"
    # It still follows the 2D/3D button.
    viewer.dims.ndisplay = 2
    assert not surface.visible


def test_layers_of_the_user_are_not_drawn_into(viewer, dock, qtbot):
    make_short(dock)
    own = viewer.add_image(np.ones((3, 4, 5)), name=RENDERING_LAYER, units=UM)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    assert own.data.shape == (3, 4, 5)
    first = viewer.layers[MESH_LAYER]
    first.name = "cell 1, to keep"
    count, vertices = len(viewer.layers), first.vertices.copy()
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    # One more mesh, and the rendering and the outline of the first fit again.
    assert len(viewer.layers) == count + 1
    assert viewer.layers[MESH_LAYER] is not first
    np.testing.assert_array_equal(first.vertices, vertices)


def test_a_renewed_mesh_keeps_its_regions(viewer):
    layers, placement = FitLayers(viewer), placement_of(viewer.layers["ball"])
    layers.begin(StackSource("ball", viewer.layers["ball"].data, placement))
    for edge_length in (1.0, 0.7):
        mesh = double_bubble((3, 2)).mesh(CENTER, edge_length)
        for moved in (mesh, mesh.with_vertices(mesh.vertices + 0.1)):
            layers.show_surface(moved)
            back = mesh_from_layer(layers.surface)
            np.testing.assert_array_equal(back.labels, mesh.labels)
            np.testing.assert_allclose(back.vertices, moved.vertices, atol=1e-4)
    layers.close()


def test_a_rendering_that_comes_late_adds_nothing_to_an_emptied_viewer(viewer):
    layers, ball = FitLayers(viewer), viewer.layers["ball"]
    layers.begin(StackSource("ball", ball.data, placement_of(ball)))
    preview = Preview(np.ones(ball.data.shape, np.float32), (1, 1, 1))
    layers.show_preview(preview)
    layers.show_mesh(icosphere(CENTER, 2.0, 2))
    assert RENDERING_LAYER in viewer.layers
    # As napari does when its window closes.
    viewer.layers.clear()
    layers.show_preview(preview)
    assert len(viewer.layers) == 0
    layers.close()


def test_a_rendering_is_not_offered_as_an_image(viewer, dock, qtbot):
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    assert RENDERING_LAYER in viewer.layers
    chooser = dock.image.chooser
    assert [chooser.itemText(k) for k in range(chooser.count())] == ["ball"]
