"""Seeds from membranes: markers, labels to look at and to mend, and then the mesh."""

import numpy as np
import pytest
from napari.layers import Labels, Points
from plugin_cases import UM, click, make_short, open_dock

from napari_deltamic.imaging import make_embryo
from napari_deltamic.plugin.cell_finder import InteriorFinder, found_markers
from napari_deltamic.plugin.label_preview import PREVIEW_LAYER
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.seed_dock import IMAGE, LABELS, MARKERS_LAYER, MEMBRANES


@pytest.fixture(scope="module")
def embryo():
    return make_embryo(cells=3, spacing=(0.8, 0.4, 0.4), seed=1)


def opened(viewer, embryo, method=MEMBRANES):
    stack = embryo.stack
    viewer.add_image(
        stack.data, name="embryo", scale=stack.spacing, translate=stack.origin, units=UM
    )
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentText(method)
    return dock


def press(qtbot, button, dock):
    click(qtbot, button)
    qtbot.waitUntil(lambda: not dock._task.is_busy, timeout=60_000)


def seed_of(viewer):
    return mesh_from_layer(viewer.layers[live_view_of(viewer).session.mesh_name])


def test_only_methods_that_search_an_image_have_markers(make_napari_viewer, embryo):
    dock = opened(make_napari_viewer(), embryo)
    assert dock.markers.isVisibleTo(dock)
    dock.method.setCurrentText(LABELS)
    assert not dock.markers.isVisibleTo(dock)
    dock.method.setCurrentText(IMAGE)
    assert dock.markers.isVisibleTo(dock)


def test_markers_lie_in_the_cells_and_are_updated_in_place(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer()
    dock = opened(viewer, embryo)
    press(qtbot, dock.markers.find, dock)
    points = viewer.layers[MARKERS_LAYER]
    assert "3 markers" in dock.message.text()
    assert dock.markers.use.isChecked()
    voxels = np.rint((points.data - embryo.stack.origin) / embryo.stack.spacing).astype(int)
    assert sorted(embryo.labels[tuple(voxels.T)]) == [1, 2, 3]
    points.data = points.data[:1]
    press(qtbot, dock.markers.find, dock)
    assert len(points.data) == 3
    assert sum(isinstance(layer, Points) for layer in viewer.layers) == 1


def test_the_preview_follows_the_markers(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer()
    dock = opened(viewer, embryo)
    press(qtbot, dock.markers.find, dock)
    press(qtbot, dock.markers.preview, dock)
    labels = viewer.layers[PREVIEW_LAYER]
    np.testing.assert_allclose(labels.scale, embryo.stack.spacing)
    assert labels.units == viewer.layers["embryo"].units
    assert set(np.unique(labels.data)) == {0, 1, 2, 3}
    true = embryo.labels > 0
    assert np.mean((labels.data > 0) == true) > 0.95
    points = viewer.layers[MARKERS_LAYER]
    points.data = points.data[:2]
    press(qtbot, dock.markers.preview, dock)
    assert set(np.unique(labels.data)) <= {0, 1, 2}
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 1
    assert "2 cells" in dock.message.text()


def test_the_mesh_conforms_and_hides_the_labels(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer()
    dock = opened(viewer, embryo)
    press(qtbot, dock.button, dock)
    mesh = seed_of(viewer)
    assert list(mesh.regions) == [1, 2, 3]
    assert len(mesh.open_regions()) == 0
    assert (mesh.interfaces > 0).all(axis=1).sum() == 3
    assert "which share 3 contacts" in dock.message.text()
    np.testing.assert_allclose(sorted(mesh.volumes()), sorted(embryo.volumes()), rtol=0.15)
    # What was found on the way can be looked at.
    assert not viewer.layers[PREVIEW_LAYER].visible


def test_painted_labels_are_what_the_mesh_is_made_of(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer()
    dock = opened(viewer, embryo)
    press(qtbot, dock.markers.preview, dock)
    labels = viewer.layers[PREVIEW_LAYER]
    labels.data = np.where(labels.data == 3, 2, labels.data)
    press(qtbot, dock.button, dock)
    assert list(seed_of(viewer).regions) == [1, 2]


def test_a_changed_setting_is_not_forgotten(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer()
    dock = opened(viewer, embryo)
    press(qtbot, dock.markers.find, dock)
    press(qtbot, dock.markers.preview, dock)
    points = viewer.layers[MARKERS_LAYER]
    points.data = points.data[1:]
    press(qtbot, dock.button, dock)
    assert len(seed_of(viewer).regions) == 2


def test_cells_that_the_border_cuts_go_on_outside(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer()
    dock = opened(viewer, embryo, LABELS)
    half = embryo.labels[: len(embryo.labels) // 2]
    viewer.add_labels(half, name="half", scale=embryo.stack.spacing, units=UM)
    dock.labels.choose(viewer.layers["half"])
    press(qtbot, dock.button, dock)
    last = (len(half) - 1) * embryo.stack.spacing[0]
    assert seed_of(viewer).vertices[:, 0].max() > last + 2 * embryo.stack.spacing[0]


def test_what_is_missing_for_markers_is_named(make_napari_viewer, qtbot, embryo, notes):
    dock = opened(make_napari_viewer(), embryo)
    dock.markers.use.setChecked(True)
    click(qtbot, dock.markers.preview)
    assert any("choose a Points layer" in note for note in notes)


def test_interiors_have_markers_too(ball):
    markers = found_markers(InteriorFinder(), ball)
    assert len(markers) == 1
    labels = InteriorFinder(smallest=1e6).labels(ball, markers)
    assert set(np.unique(labels)) == {0, 1}


@pytest.mark.usefixtures("_engine")
def test_from_an_embryo_to_its_measures(make_napari_viewer, qtbot, embryo):
    viewer = make_napari_viewer(show=True)
    seed = opened(viewer, embryo)
    press(qtbot, seed.button, seed)
    fit, measures = open_dock(viewer, "Fit"), open_dock(viewer, "Measures")
    session = live_view_of(viewer).session
    session.choose_psf(gaussian(embryo.psf.sigma.tolist()))
    make_short(fit)
    fit.form.fields["edge_length"].value = 1.5
    fit.form.fields["standard_errors"].value = True
    click(qtbot, fit.fit_button)
    assert measures.tables["Cells"].measures.rowCount() == 0
    qtbot.waitUntil(lambda: not session.is_fitting, timeout=120_000)
    assert session.result is not None
    qtbot.waitUntil(lambda: measures.tables["Cells"].measures.rowCount() == 3, timeout=30_000)
    assert measures.mesh.currentText() == "Fitted mesh"
    columns = measures.tables["Contacts"].measures.columns
    assert columns[columns.index("area") + 1] == "area_error"
    assert columns[-2:] == ["brightness", "brightness_error"]
    assert measures.colour_by.findText("Surface: standard error") > 0
    viewer.dims.ndisplay = 3
    assert viewer.layers["Measured cells"].visible
    assert not viewer.layers["Fitted mesh"].visible
    # Another fit draws its own surface again.
    click(qtbot, fit.fit_button)
    assert not viewer.layers["Measured cells"].visible
    assert viewer.layers["Fitted mesh"].visible
    click(qtbot, fit.stop_button)
    qtbot.waitUntil(lambda: not session.is_fitting, timeout=30_000)
