import numpy as np
import pytest
from napari.layers import Image, Surface, Vectors
from plugin_cases import CENTER, ORIGIN, RADIUS, SPACING, UM, add_ball, open_dock
from qtpy.QtCore import Qt

from napari_deltamic.plugin.mesh_layers import mesh_from_layer, surface_data
from napari_deltamic.plugin.outline import Outline


def press(qtbot, dock, viewer):
    """Press *Make seed mesh* and return the new mesh in um."""
    before = set(viewer.layers)
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    assert not dock.button.isEnabled()
    qtbot.waitUntil(dock.button.isEnabled, timeout=60_000)
    new = [layer for layer in viewer.layers if layer not in before and isinstance(layer, Surface)]
    return mesh_from_layer(new[0])


def test_spheres_round_points(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "Seed mesh")
    qtbot.mouseClick(dock.add_points, Qt.MouseButton.LeftButton)
    points = viewer.layers["Seed points"]
    assert points.mode == "add"
    # In the middle voxel, as a click there would add it.
    points.add([CENTER])
    dock.radius.setValue(2.5)
    np.testing.assert_allclose(points.size, 5.0)
    mesh = press(qtbot, dock, viewer)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER, atol=0.05)
    assert mesh.volumes()[0] == pytest.approx(4 / 3 * np.pi * 2.5**3, rel=0.05)
    assert "1 surface" in dock.message.text()


def test_spheres_cannot_be_larger_than_the_stack(make_napari_viewer, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "Seed mesh")
    dock.radius.setValue(1000.0)
    assert dock.radius.value() <= 0.5 * max(ball.spacing * ball.shape)


def test_surfaces_round_labels(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    labels = (ball.data > 60).astype(int) * 7
    # Without a voxel size, as napari opens a label file.
    viewer.add_labels(labels, name="cells")
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText("Labels layer")
    mesh = press(qtbot, dock, viewer)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER, atol=0.3)
    assert mesh.volumes()[0] == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.2)


def test_surfaces_from_the_image_itself(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText("The image, by threshold")
    mesh = press(qtbot, dock, viewer)
    assert mesh.volumes()[0] == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.2)


def test_the_outline_is_where_the_slider_cuts_the_mesh(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText("The image, by threshold")
    press(qtbot, dock, viewer)
    # The surface itself shows stray triangles in 2D.
    assert not viewer.layers["Seed mesh"].visible
    viewer.dims.set_point(0, CENTER[0])
    outline = viewer.layers[Outline.LAYER]
    assert isinstance(outline, Vectors)
    position = float(viewer.dims.point[0])
    np.testing.assert_allclose(outline.data[:, 0, 0], position, atol=1e-4)
    radius = np.linalg.norm(outline.data[:, 0, 1:] - CENTER[1:], axis=1)
    assert radius.mean() == pytest.approx(RADIUS, rel=0.1)
    viewer.dims.set_point(0, ORIGIN[0])
    assert len(outline.data) == 0
    viewer.dims.set_point(0, CENTER[0])
    assert len(outline.data) > 0
    viewer.dims.ndisplay = 3
    assert len(outline.data) == 0
    assert viewer.layers["Seed mesh"].visible


def test_an_unknown_voxel_size_is_shown_and_can_be_set(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(ball.data, name="bare")
    labels = viewer.add_labels((ball.data > 60).astype(int))
    dock = open_dock(viewer, "Seed mesh")
    assert dock.image.message.isVisibleTo(dock)
    assert "no voxel size: 1 µm is taken" in dock.image.message.text()
    for field, size in zip(dock.image.voxel_size.fields, SPACING, strict=True):
        field.setValue(size)
    qtbot.mouseClick(dock.image.voxel_size.button, Qt.MouseButton.LeftButton)
    np.testing.assert_allclose(image.scale, SPACING)
    np.testing.assert_allclose(labels.scale, SPACING)
    assert image.units == labels.units
    assert not dock.image.voxel_size.isVisibleTo(dock)
    assert "0.8 × 0.4 × 0.4 µm" in dock.image.message.text()


def test_the_voxel_size_of_a_file_is_offered(make_napari_viewer, ball, tmp_path):
    from napari_deltamic.imaging import write_stack

    path = tmp_path / "ball.ome.tif"
    write_stack(path, ball.data, SPACING)
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari")
    dock = open_dock(viewer, "Seed mesh")
    assert "The file says" in dock.image.message.text()
    assert tuple(field.value() for field in dock.image.voxel_size.fields) == SPACING


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Spheres at points", "add points first"),
        ("Labels layer", "choose a Labels layer"),
    ],
)
def test_what_is_missing_is_named(make_napari_viewer, qtbot, ball, notes, method, message):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText(method)
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    assert any(message in note for note in notes)
    assert message in dock.message.text()
    assert dock.button.isEnabled()


def test_an_image_without_objects_is_named(make_napari_viewer, qtbot, notes):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((8, 16, 16)), name="empty", units=UM)
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText("The image, by threshold")
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any(True for _ in notes), timeout=30_000)
    assert "nothing to find" in dock.message.text()
    assert dock.button.isEnabled()
    assert [type(layer) for layer in viewer.layers] == [Image]


def test_no_image_at_all_is_named(make_napari_viewer, qtbot, notes):
    dock = open_dock(make_napari_viewer(), "Seed mesh")
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    assert any("choose an image" in note for note in notes)


def test_overlapping_spheres_do_not_stop_the_seed(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "Seed mesh")
    qtbot.mouseClick(dock.add_points, Qt.MouseButton.LeftButton)
    viewer.layers["Seed points"].add([CENTER, CENTER + 1.0])
    with pytest.warns(UserWarning, match="overlap"):
        mesh = press(qtbot, dock, viewer)
    assert list(mesh.regions) == [1, 2]


def test_the_fit_starts_from_the_seed_made_last(make_napari_viewer, qtbot, ball, seed):
    viewer = make_napari_viewer()
    add_ball(viewer, ball, seed)
    fit, dock = open_dock(viewer, "Fit"), open_dock(viewer, "Seed mesh")
    assert fit.mesh.currentText() == "mesh"
    dock.method.setCurrentText("The image, by threshold")
    press(qtbot, dock, viewer)
    assert fit.mesh.currentText() == "Seed mesh"
    viewer.add_surface(surface_data(seed), name="of another dock")
    assert open_dock(viewer, "Fit").mesh.currentText() == "Seed mesh"
