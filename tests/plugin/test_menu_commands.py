"""What stands in napari's own menus does what it says when it is clicked."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Points
from plugin_cases import CENTER, ORIGIN, RADIUS, SHAPE, SPACING, UM

from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.widgets import Dock

pytestmark = pytest.mark.usefixtures("_engine")

RENDER, LABELS = "Render a mesh as an image (deltaMic)", "Labels from a mesh (deltaMic)"
POINTS = "Seed points (deltaMic)"


def trigger(menu, submenu, title):
    """Choose an entry of a menu as the mouse does."""
    for action in menu.actions():
        if action.text().replace("&", "") == submenu:
            entries = {entry.text(): entry for entry in action.menu().actions()}
            entries[title].trigger()
            return
    raise AssertionError(f"there is no {submenu} in {menu.title()}")


@pytest.fixture
def empty(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def with_ball(empty, ball):
    empty.add_image(ball.data, name="ball", scale=SPACING, translate=ORIGIN, units=UM)
    mesh = icosphere(CENTER, RADIUS, 3)
    empty.add_surface(surface_data(mesh), name="mesh", units=UM, **surface_options(mesh))
    return empty


@pytest.mark.parametrize(
    ("submenu", "title", "asks_for"),
    [
        ("Visualize", RENDER, "make a seed mesh"),
        ("Data", LABELS, "make a seed mesh"),
        ("New Layer", POINTS, "open the image first"),
    ],
)
def test_without_layers_a_command_says_what_is_missing(empty, notes, submenu, title, asks_for):
    menu = empty.window.file_menu if submenu == "New Layer" else empty.window.layers_menu
    trigger(menu, submenu, title)
    assert any(asks_for in note for note in notes)
    assert len(empty.layers) == 0


def test_a_mesh_is_rendered_on_the_voxels_of_the_image(with_ball, qtbot):
    trigger(with_ball.window.layers_menu, "Visualize", RENDER)
    qtbot.waitUntil(lambda: "mesh (rendered)" in with_ball.layers, timeout=20_000)
    layer = with_ball.layers["mesh (rendered)"]
    assert isinstance(layer, Image)
    assert layer.data.shape == SHAPE
    np.testing.assert_allclose(layer.scale, SPACING)
    np.testing.assert_allclose(layer.translate, ORIGIN)
    # A membrane of brightness 1: its light is its area.
    light = float(layer.data.sum()) * np.prod(SPACING)
    assert light == pytest.approx(4 * np.pi * RADIUS**2, rel=0.03)


def test_without_an_image_the_mesh_gets_voxels_about_it(with_ball, qtbot):
    del with_ball.layers["ball"]
    trigger(with_ball.window.layers_menu, "Visualize", RENDER)
    qtbot.waitUntil(lambda: "mesh (rendered)" in with_ball.layers, timeout=20_000)
    layer = with_ball.layers["mesh (rendered)"]
    total = layer.data.sum()
    grid = np.moveaxis(np.indices(layer.data.shape), 0, -1)
    middle = (grid * layer.data[..., None]).sum(axis=(0, 1, 2)) / total
    np.testing.assert_allclose(layer.data_to_world(middle), CENTER, atol=0.02)


def test_labels_from_a_mesh(with_ball, qtbot):
    trigger(with_ball.window.layers_menu, "Data", LABELS)
    qtbot.waitUntil(lambda: "mesh (labels)" in with_ball.layers, timeout=20_000)
    layer = with_ball.layers["mesh (labels)"]
    assert isinstance(layer, Labels)
    volume = (layer.data == 1).sum() * np.prod(SPACING)
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)
    np.testing.assert_allclose(layer.translate, ORIGIN)


def test_of_several_meshes_one_is_to_be_selected(with_ball, notes, qtbot):
    with_ball.layers["mesh"].name = "first"
    with_ball.add_surface(with_ball.layers["first"].data, name="second")
    with_ball.layers.selection.active = with_ball.layers["ball"]
    trigger(with_ball.window.layers_menu, "Data", LABELS)
    assert any("select one of the Surface layers" in note for note in notes)
    with_ball.layers.selection.active = with_ball.layers["first"]
    trigger(with_ball.window.layers_menu, "Data", LABELS)
    qtbot.waitUntil(lambda: "first (labels)" in with_ball.layers, timeout=20_000)


def test_new_seed_points_lie_on_the_image_and_wait_for_clicks(with_ball):
    trigger(with_ball.window.file_menu, "New Layer", POINTS)
    layer = with_ball.layers["Seed points"]
    assert isinstance(layer, Points)
    assert layer.mode == "add"
    assert layer.units == with_ball.layers["ball"].units
    layer.add([CENTER])
    # Where the middle of the image is.
    middle = with_ball.layers["ball"].data_to_world((np.array(SHAPE) - 1) / 2)
    np.testing.assert_allclose(layer.data_to_world(layer.data[0]), middle)


@pytest.mark.parametrize(
    ("submenu", "name"),
    [
        ("Segment", "deltaMic"),
        ("Segment", "Seed mesh"),
        ("Segment", "PSF designer"),
        ("Segment", "Fit"),
        ("Measure", "Measures"),
        ("Visualize", "PSF designer"),
        ("Filter", "Compressive imaging"),
    ],
)
def test_docks_open_from_the_layers_menu(make_napari_viewer, qtbot, submenu, name):
    viewer = make_napari_viewer(show=True)
    trigger(viewer.window.layers_menu, submenu, f"{name} (deltaMic)")
    (dock,) = (dock for title, dock in viewer.window.dock_widgets.items() if name in title)
    assert isinstance(dock, Dock)
    qtbot.waitUntil(dock.isVisible, timeout=5_000)
