"""The Measures dock and the viewer: rows, clicks, colours, files."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from plugin_cases import UM, open_dock, press_on_cells
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_deltamic.mesh import concatenate, double_bubble, icosphere, measures_table
from napari_deltamic.plugin.colourings import REGION
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measure_layers import CELLS_LAYER, SELECTED_LAYER, SELECTED_OUTLINE
from napari_deltamic.plugin.measured_mesh import measured_mesh
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options

BUBBLES = double_bubble((4, 3)).mesh((6.0, 8.0, 10.0), 0.8)


def add(viewer, mesh, name="bubbles"):
    return viewer.add_surface(surface_data(mesh), name=name, units=UM, **surface_options(mesh))


def opened(viewer, qtbot, mesh=BUBBLES):
    add(viewer, mesh)
    dock = open_dock(viewer, "Measures")
    qtbot.waitUntil(lambda: dock.tables["Cells"].measures.rowCount() > 0, timeout=30_000)
    return dock


def click_row(qtbot, table, row):
    place = table.visualRect(table.measures.index(row, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_tables_of_a_mesh_as_it_lies_in_its_layer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    layer = add(viewer, BUBBLES)
    layer.scale = (2, 2, 2)
    dock = open_dock(viewer, "Measures")
    qtbot.waitUntil(lambda: dock.tables["Cells"].measures.rowCount() == 2, timeout=30_000)
    assert dock.tables["Contacts"].measures.rowCount() == 3
    assert dock.tables["Junctions"].measures.rowCount() == 1
    volume = float(dock.tables["Cells"].measures.index(0, 1).data())
    assert volume == pytest.approx(8 * BUBBLES.volumes()[0], rel=1e-3)
    assert "2 cells, 1 contact, 1 junction" in dock.message.text()


def test_a_row_that_is_clicked_is_highlighted(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = opened(viewer, qtbot)
    viewer.dims.ndisplay = 3
    table = dock.tables["Cells"]
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    # The smaller bubble, region 2, stands first now.
    click_row(qtbot, table, 0)
    selected = viewer.layers[SELECTED_LAYER]
    assert selected.visible
    corners = BUBBLES.region_mesh(2).vertices
    np.testing.assert_allclose(selected.vertices.min(axis=0), corners.min(axis=0), atol=1e-4)
    np.testing.assert_allclose(selected.vertices.max(axis=0), corners.max(axis=0), atol=1e-4)
    dock.separation.setValue(50)
    assert np.abs(selected.vertices.max(axis=0) - corners.max(axis=0)).max() > 0.5
    # A row of another table takes the selection over.
    dock.tabs.setCurrentIndex(1)
    click_row(qtbot, dock.tables["Contacts"], 2)
    assert table.selected() == -1
    # Both cells' copies of the contact.
    assert len(selected.faces) == 2 * np.sum((BUBBLES.labels > 0).all(axis=1))


def test_in_2d_the_selected_cell_is_outlined(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((14, 16, 24)), units=UM)
    dock = opened(viewer, qtbot)
    viewer.dims.set_point(0, 6.0)
    dock.tables["Cells"].select(0)
    outline = viewer.layers[SELECTED_OUTLINE]
    assert len(outline.data) > 10
    corners = BUBBLES.region_mesh(1).vertices
    assert np.all(outline.data[:, 0] >= corners.min(axis=0) - 1e-3)
    assert np.all(outline.data[:, 0] <= corners.max(axis=0) + 1e-3)
    assert not viewer.layers[SELECTED_LAYER].visible
    dock.tables["Cells"].select(-1)
    assert len(outline.data) == 0


def test_a_line_is_drawn_where_its_cells_meet(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = opened(viewer, qtbot)
    viewer.dims.ndisplay = 3
    dock.tables["Junctions"].select(0)
    vectors = viewer.layers[SELECTED_OUTLINE].data
    length = np.linalg.norm(vectors[:, 1], axis=1).sum()
    assert length == pytest.approx(double_bubble((4, 3)).rim_length, rel=0.02)


def test_a_cell_that_is_clicked_in_the_viewer_is_selected(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((14, 16, 24)), units=UM)
    dock = opened(viewer, qtbot)
    cells, contacts = dock.tables["Cells"], dock.tables["Contacts"]
    middles = [BUBBLES.region_mesh(region).vertices.mean(axis=0) for region in (1, 2)]
    for row in (1, 0):
        press_on_cells(viewer, tuple(middles[row]))
        assert cells.selected() == row
    press_on_cells(viewer, (0.0, 0.0, 0.0))
    assert cells.selected() == -1
    viewer.dims.ndisplay = 3
    for row in (1, 0):
        press_on_cells(viewer, tuple(middles[row] + (0.1, 0.2, 0.0)), (1.0, 0.0, 0.0))
        assert cells.selected() == row
    dock.tabs.setCurrentWidget(contacts)
    press_on_cells(viewer, tuple(middles[1] + (0.1, 0.2, 0.0)), (1.0, 0.0, 0.0))
    # The free surface of region 2, which is in front.
    assert contacts.selected() == 1
    viewer.layers.selection.active = viewer.add_points(ndim=3, units=UM)
    viewer.layers.selection.active.mode = "add"
    press_on_cells(viewer, tuple(middles[0]), (1.0, 0.0, 0.0))
    assert contacts.selected() == 1


def test_a_real_click_on_the_canvas_selects_a_cell(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = opened(viewer, qtbot, icosphere((6.0, 8.0, 10.0), 5.0, 3))
    viewer.dims.ndisplay = 3
    viewer.fit_to_view()
    qtbot.wait(300)
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(canvas, canvas.rect().center())
    QTest.mouseClick(
        canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, canvas.rect().center()
    )
    qtbot.waitUntil(lambda: dock.tables["Cells"].selected() == 0, timeout=5000)


def test_colours_stand_for_what_is_chosen(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = opened(viewer, qtbot)
    viewer.dims.ndisplay = 3
    surface = viewer.layers[CELLS_LAYER]
    assert surface.visible
    assert not viewer.layers["bubbles"].visible
    assert set(surface.vertex_values) == {1.0, 2.0}
    assert not dock.colour_bar.isVisibleTo(dock)
    dock.colour_by.setCurrentText("Cell: volume")
    np.testing.assert_allclose(sorted(set(surface.vertex_values)), sorted(BUBBLES.volumes()), 1e-5)
    assert dock.colour_bar.isVisibleTo(dock)
    assert dock.colour_bar.high.text().endswith("µm³")
    dock.colour_by.setCurrentText("Contact: area")
    assert len(set(surface.vertex_values)) == 3
    dock.colour_by.setCurrentText(REGION)
    assert set(surface.vertex_values) == {1.0, 2.0}


def test_the_choice_of_another_mesh_is_measured_with_the_same_colours(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = opened(viewer, qtbot)
    dock.colour_by.setCurrentText("Cell: volume")
    layer = add(viewer, icosphere((5, 5, 5), 2, 2), "ball")
    assert dock.mesh.layer == viewer.layers["bubbles"]
    dock.mesh.choose(layer)
    qtbot.waitUntil(lambda: dock.tables["Cells"].measures.rowCount() == 1, timeout=30_000)
    assert dock.colour_by.currentText() == "Cell: volume"
    assert len(viewer.layers[CELLS_LAYER].faces) == len(layer.faces)
    # Layers of the dock itself are not offered.
    names = [dock.mesh.itemText(k) for k in range(dock.mesh.count())]
    assert names == ["bubbles", "ball"]


def test_tables_are_saved_with_all_columns(make_napari_viewer, qtbot, tmp_path):
    viewer = make_napari_viewer()
    dock = opened(viewer, qtbot)
    dock.save_to(tmp_path / "new")
    qtbot.waitUntil(dock.save_button.isEnabled, timeout=10_000)
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["contacts.csv", "junctions.csv", "measures.csv"]
    with (tmp_path / "new" / "measures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["region"]) for row in rows] == [1, 2]
    assert set(rows[0]) == set(measures_table(BUBBLES)[0])


def test_errors_of_a_fit_become_columns_and_colours():
    count = len(BUBBLES.vertices)
    result = SimpleNamespace(
        intensities=SimpleNamespace(membrane=np.array((1.0, 2.0, 3.0)), interior=np.empty(0)),
        errors=SimpleNamespace(
            vertices=np.full(count, 0.01),
            volumes=np.array((0.1, 0.2)),
            areas=np.array((0.3, 0.4)),
            interface_areas=np.array((0.5, 0.6, 0.7)),
            intensities=SimpleNamespace(membrane=np.array((0.01, 0.02, 0.03))),
        ),
    )
    measured = measured_mesh(BUBBLES, result)
    names = list(measured.cells[0])
    assert names[names.index("volume") + 1] == "volume_error"
    assert [row["area_error"] for row in measured.contacts] == [0.5, 0.6, 0.7]
    assert [row["brightness"] for row in measured.contacts] == [1.0, 2.0, 3.0]
    names = list(measured.contacts[0])
    assert names[-2:] == ["brightness", "brightness_error"]
    np.testing.assert_array_equal(measured.vertex_measures["standard_error"], 0.01)


def test_a_movie_of_surfaces_is_named(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Measures")
    assert "Make a seed mesh" in dock.message.text()
    data = surface_data(BUBBLES)
    viewer.add_surface((*data[:2], np.stack([data[2]] * 3)), name="over time")
    assert "is a movie of surfaces" in dock.message.text()
    assert not dock.save_button.isEnabled()


def test_a_dock_that_was_closed_is_not_in_the_way(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = opened(viewer, qtbot)
    session = live_view_of(viewer).session
    viewer.window.remove_dock_widget(dock)
    # Qt deletes it once it has the time.
    qtbot.wait(100)
    press_on_cells(viewer, (6.0, 8.0, 10.0))
    session.finished.emit(None)
    session.failed.emit("")
    again = open_dock(viewer, "Measures")
    qtbot.waitUntil(lambda: again.tables["Cells"].measures.rowCount() == 2, timeout=30_000)
    names = [layer.name for layer in viewer.layers]
    assert names.count(CELLS_LAYER) == 1


def test_bodies_that_touch_nothing_have_no_empty_tables(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    pair = concatenate([icosphere((4, 4, 4), 2.0, 2), icosphere((4, 4, 10), 2.0, 2)])
    dock = opened(viewer, qtbot, pair)
    shown = [name for k, name in enumerate(dock.tables) if dock.tabs.isTabVisible(k)]
    assert shown == [name for name, table in dock.tables.items() if table.model().rowCount()]
    assert "Cells" in shown
    assert "Junctions" not in shown
