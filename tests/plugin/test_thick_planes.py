"""Voxels of more than 1 um: the sliders go from plane to plane, and all layers lie in place."""

import numpy as np
import pytest
from plugin_cases import (
    CENTER,
    ORIGIN,
    RADIUS,
    SPACING,
    UM,
    click,
    make_short,
    open_dock,
    press_on_cells,
)

from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.fit_layers import MESH_LAYER
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measure_layers import CELLS_LAYER, SELECTED_LAYER, SELECTED_OUTLINE
from napari_deltamic.plugin.mesh_layers import mesh_from_layer, surface_data
from napari_deltamic.plugin.movie_layers import movie_surface
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.seed_dock import IMAGE, MARKERS_LAYER, POINTS

FACTOR = 3.0
MIDDLE, LONG, STEP = FACTOR * CENTER, FACTOR * RADIUS, FACTOR * SPACING[0]


@pytest.fixture
def viewer(make_napari_viewer, ball):
    viewer = make_napari_viewer()
    place = {"scale": FACTOR * np.array(SPACING), "translate": FACTOR * np.array(ORIGIN)}
    viewer.add_image(ball.data, name="ball", units=UM, **place)
    return viewer


def lies_round_the_ball(layer, within=0.15):
    corners = layer.extent.world[:, -3:]
    reach = np.abs(corners - MIDDLE)
    return np.all(reach[:, 1:] < LONG * (1 + within)) and np.all(reach[:, 1:] > LONG * 0.6)


def steps_by_planes(viewer):
    return viewer.dims.range[0].step == pytest.approx(STEP)


def test_points_and_spheres(viewer, qtbot):
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText(POINTS)
    click(qtbot, dock.add_points)
    points = viewer.layers["Seed points"]
    points.add([points.world_to_data(MIDDLE)])
    dock.radius.setValue(0.8 * LONG)
    np.testing.assert_allclose(points.size * points.scale[-1], 1.6 * LONG)
    click(qtbot, dock.button)
    qtbot.waitUntil(lambda: "Seed mesh" in viewer.layers, timeout=60_000)
    mesh = mesh_from_layer(viewer.layers["Seed mesh"])
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), MIDDLE, atol=0.1)
    assert steps_by_planes(viewer)


def test_markers_lie_in_their_cells(viewer, qtbot):
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText(IMAGE)
    click(qtbot, dock.markers.find)
    qtbot.waitUntil(lambda: MARKERS_LAYER in viewer.layers, timeout=60_000)
    markers = viewer.layers[MARKERS_LAYER]
    np.testing.assert_allclose(markers.data_to_world(markers.data[0]), MIDDLE, atol=STEP)
    assert steps_by_planes(viewer)


@pytest.mark.usefixtures("_engine")
def test_a_fit_and_its_measures(viewer, qtbot):
    seeds = open_dock(viewer, "Seed mesh")
    seeds.method.setCurrentText(IMAGE)
    click(qtbot, seeds.button)
    qtbot.waitUntil(lambda: "Seed mesh" in viewer.layers, timeout=60_000)
    assert steps_by_planes(viewer)
    assert lies_round_the_ball(viewer.layers["Seed mesh"])
    live_view_of(viewer).session.choose_psf(gaussian(FACTOR * np.array(SPACING)))
    dock = open_dock(viewer, "Fit")
    dock.form.fields["label"].value = "interior"
    make_short(dock)
    viewer.dims.set_point(0, MIDDLE[0])
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=60_000)
    assert steps_by_planes(viewer)
    for name in (MESH_LAYER, Outline.LAYER):
        assert lies_round_the_ball(viewer.layers[name]), name
    result = live_view_of(viewer).session.result.mesh
    shown = mesh_from_layer(viewer.layers[MESH_LAYER])
    np.testing.assert_allclose(shown.vertices, result.vertices, rtol=1e-5)
    measures = open_dock(viewer, "Measures")
    cells = measures.tables["Cells"]
    qtbot.waitUntil(lambda: cells.measures.rowCount() == 1, timeout=60_000)
    cells.select(0)
    assert lies_round_the_ball(viewer.layers[SELECTED_OUTLINE])
    viewer.dims.ndisplay = 3
    for name in (CELLS_LAYER, SELECTED_LAYER):
        assert lies_round_the_ball(viewer.layers[name]), name
    picks = []
    live_view_of(viewer).measures.picked.connect(lambda *pick: picks.append(pick[0]))
    aside, above = np.array((0.0, LONG, 0.0)), np.array((2 * LONG, 0.0, 0.0))
    press_on_cells(viewer, tuple(MIDDLE - above + 0.7 * aside), (1.0, 0.0, 0.0))
    viewer.dims.ndisplay = 2
    press_on_cells(viewer, tuple(MIDDLE + 0.7 * aside))
    press_on_cells(viewer, tuple(MIDDLE + 1.3 * aside))
    assert picks == [1, 1, 0]
    assert steps_by_planes(viewer)


def test_frames_of_a_movie_have_the_same_unit():
    ball = icosphere(MIDDLE, LONG, 1)
    vertices = movie_surface([ball], first=4, unit=2.0)[0]
    np.testing.assert_allclose(vertices, np.insert(surface_data(ball, 2.0)[0], 0, 4.0, axis=1))
    np.testing.assert_allclose(2.0 * vertices[:, 1:].mean(axis=0), MIDDLE, rtol=1e-5)
