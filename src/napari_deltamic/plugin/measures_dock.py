"""The *Measures* dock: tables of cells, contacts and junctions, tied to the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Surface
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSlider,
    QTabWidget,
    QWidget,
)

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.colour_bar import ColourBar
from napari_deltamic.plugin.colourings import colourings
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measures_table import MeasuresTable
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.spatial import placement_of
from napari_deltamic.plugin.widgets import Dock, LayerChooser, MessageLabel, count_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.fitting import FitResult
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.measured_mesh import MeasuredMesh

CELLS, CONTACTS, JUNCTIONS = "Cells", "Contacts", "Junctions"
_SLIDER_STEPS = 100
_FARTHEST = 1.5
_WIDTH = 320
# As a dock of its own, and as a step of the guide, which shows the buttons below it too.
_TABLE_HEIGHT, _STEP_TABLE_HEIGHT = 220, 130


class MeasuresDock(Dock):
    """Measures a mesh, and shows in the viewer what is chosen in its tables and the reverse."""

    FILLS = True

    def __init__(self, napari_viewer: Viewer, is_step: bool = False) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view, is_step=is_step)
        self._session, self._layers = view.session, view.measures
        self._task, self._saving = BackgroundTask(self), BackgroundTask(self)
        self._measured: MeasuredMesh | None = None
        self._is_stale = False
        self.mesh = LayerChooser(napari_viewer, Surface, "make or open a mesh first")
        self.button = QPushButton("Measure")
        self.tables = {name: MeasuresTable() for name in (CELLS, CONTACTS, JUNCTIONS)}
        self.tabs = QTabWidget()
        self.colour_by = QComboBox()
        self.colour_bar = ColourBar()
        self.separation = QSlider(Qt.Orientation.Horizontal)
        self.save_button = QPushButton("Save tables...")
        self.message = MessageLabel()
        self._lay_out()
        if is_step and view.surface is not None:
            self.mesh.choose(view.surface)
        self._connect()
        self._enable()
        if self.mesh.layer is None:
            self.message.say("Make a seed mesh and fit it, or open a mesh file.")
        self._measure()

    def _lay_out(self) -> None:
        self.mesh.setToolTip("A fitted mesh, a seed, or any closed surface")
        self.button.setToolTip("Measure it anew, if it has changed")
        row = QHBoxLayout()
        row.addWidget(self.mesh, stretch=1)
        row.addWidget(self.button)
        form = QFormLayout()
        form.addRow("Mesh", row)
        self.content.addLayout(form)
        tips = {
            CELLS: "One row for each cell",
            CONTACTS: "One row for each interface of two cells, or of a cell and the outside",
            JUNCTIONS: "One row for each set of cells that meet along a line",
        }
        for name, table in self.tables.items():
            index = self.tabs.addTab(table, name)
            self.tabs.setTabToolTip(index, tips[name])
        self.tabs.setMinimumSize(_WIDTH, _STEP_TABLE_HEIGHT if self.is_step else _TABLE_HEIGHT)
        tall = QSizePolicy.Policy.Ignored if self.is_step else QSizePolicy.Policy.Expanding
        self.tabs.setSizePolicy(QSizePolicy.Policy.Expanding, tall)
        self.content.addWidget(self.tabs, stretch=1)
        self.colour_by.setToolTip("What the colours of the cells stand for, in 3D")
        self.colour_by.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.separation.setRange(0, _SLIDER_STEPS)
        self.separation.setToolTip("Moves the cells apart, so that their contacts can be seen")
        below = QFormLayout()
        below.addRow("Colour by", self.colour_by)
        below.addRow("", self.colour_bar)
        below.addRow("Separate cells", self.separation)
        self.content.addLayout(below)
        self.save_button.setToolTip(
            "measures.csv and, if cells touch, contacts.csv and junctions.csv, with all columns"
        )
        self.content.addWidget(self.save_button)
        self.content.addWidget(self.message)
        self.message.is_elsewhere = self.is_step

    def _connect(self) -> None:
        self.mesh.layer_changed.connect(self._measure)
        self.button.clicked.connect(self._measure)
        self.colour_by.currentIndexChanged.connect(self._colour)
        self.separation.valueChanged.connect(self._separate)
        self.save_button.clicked.connect(self._choose_folder)
        self._task.busy_changed.connect(self._enable)
        self._task.failed.connect(lambda message: self.message.say(message, warning=True))
        self._saving.busy_changed.connect(self._enable)
        for name, table in self.tables.items():
            table.row_selected.connect(lambda row, name=name: self._select(name, row))
        self._layers.picked.connect(self._on_picked)
        self._session.started.connect(self._on_fit_started)
        self._session.finished.connect(self._on_fit_finished)
        self._session.movie_finished.connect(self._on_fit_finished)

    @property
    def is_busy(self) -> bool:
        """Whether a mesh is being measured."""
        return self._task.is_busy

    def _measure(self) -> None:
        layer = self.mesh.layer
        if layer is None or self._session.is_fitting or self._layers.is_closed:
            return
        if np.ndim(layer.vertex_values) > 1 or np.shape(layer.vertices)[-1] != 3:
            self.message.say(
                f"{layer.name!r} is a movie of surfaces; choose that of one frame", warning=True
            )
            return
        if self._task.is_busy:
            self._is_stale = True
            return
        result = self._session.result
        self.message.say("Measuring...")
        self._task.run(lambda: _measured(layer, result), lambda found: self._show(found, layer))

    def _show(self, measured: MeasuredMesh, layer: Surface) -> None:
        if self._layers.is_closed:
            return
        if self._is_stale or self.mesh.layer != layer:
            # Does nothing while a fit runs, whose end has the mesh measured again.
            self._is_stale = False
            self._measure()
            return
        self._measured = measured
        found = measured.cells, measured.contacts, measured.junctions
        for index, (table, rows) in enumerate(zip(self.tables.values(), found, strict=True)):
            table.show_rows(rows)
            # Nuclei and balls touch nothing.
            self.tabs.setTabVisible(index, bool(rows) or index == 0)
        self._layers.show(measured, placement_of(layer), layer)
        before = self.colour_by.currentText()
        self.colour_by.blockSignals(True)
        self.colour_by.clear()
        self.colour_by.addItems(list(colourings(measured)))
        self.colour_by.setCurrentIndex(max(self.colour_by.findText(before), 0))
        self.colour_by.blockSignals(False)
        self._colour()
        self._enable()
        self._describe(measured)

    def _describe(self, measured: MeasuredMesh) -> None:
        touching = int((measured.mesh.interfaces > 0).all(axis=1).sum())
        parts = (
            count_of(len(measured.cells), "cell"),
            count_of(touching, "contact"),
            count_of(len(measured.junctions), "junction"),
        )
        still_open = measured.mesh.open_regions()
        if len(still_open):
            self.message.say(
                f"{', '.join(parts)}. Not closed, so without a volume: "
                f"{', '.join(map(str, still_open.tolist()))}.",
                warning=True,
            )
        else:
            self.message.say(f"{', '.join(parts)}. Click a row, or a cell in the viewer.")

    def _colour(self) -> None:
        name = self.colour_by.currentText()
        if self._measured is None or not name:
            return
        colouring = colourings(self._measured)[name]()
        self._layers.colour(colouring)
        self.colour_bar.setVisible(colouring.is_number)
        if colouring.is_number:
            self.colour_bar.show_colours(colouring.colormap, colouring.limits, colouring.unit)

    def _separate(self, step: int) -> None:
        self._layers.separate(_FARTHEST * step / _SLIDER_STEPS)

    def _select(self, name: str, row: int) -> None:
        """Highlight what a row is about, and take the selection from the other tables."""
        measured = self._measured
        if measured is None:
            return
        if row < 0:
            if all(table.selected() < 0 for table in self.tables.values()):
                self._layers.select(np.empty(0, dtype=np.int64))
            return
        for other, table in self.tables.items():
            if other != name:
                table.select(-1)
        surfaces = measured.surfaces
        if name == CELLS:
            region = measured.cells[row]["region"]
            self._layers.select(np.flatnonzero(surfaces.face_regions == region))
        elif name == CONTACTS:
            self._layers.select(np.flatnonzero(surfaces.face_interfaces == row))
        else:
            meeting = tuple(
                int(value)
                for column, value in measured.junctions[row].items()
                if column.startswith("region_") and value == value
            )
            labels = measured.mesh.labels[surfaces.face_of]
            beside = np.isin(labels, meeting).all(axis=1)
            self._layers.select(np.flatnonzero(beside), meeting)

    def _on_picked(self, region: int, interface: int) -> None:
        # Other tabs in front mean that the user is about something else.
        if self._measured is None or not self.isVisible():
            return
        if self.tabs.currentWidget() is self.tables[CONTACTS]:
            self.tables[CONTACTS].select(interface)
            return
        numbers = [row["region"] for row in self._measured.cells]
        if region in numbers:
            self.tabs.setCurrentWidget(self.tables[CELLS])
            self.tables[CELLS].select(numbers.index(region))
        else:
            for table in self.tables.values():
                table.select(-1)

    def _on_fit_started(self) -> None:
        self._measured, self._is_stale = None, self._task.is_busy
        for table in self.tables.values():
            table.show_rows([])
        self.message.say("A fit is running; its result is measured when it ends.")
        self._enable()

    def _on_fit_finished(self, result: object) -> None:
        if result is None:
            self._measure()
            return
        fitted = self._view.surface
        if fitted is not None and self.mesh.layer != fitted:
            self.mesh.choose(fitted)
        else:
            self._measure()

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the tables")
        if folder:
            self.save_to(Path(folder))

    def save_to(self, folder: Path) -> None:
        """Write the tables as CSV files into a folder, in the background."""
        measured = self._measured
        if measured is None:
            show_error("there is nothing measured yet; choose a mesh first")
            return
        self._saving.run(
            lambda: measured.save(folder),
            lambda files: show_info(f"{count_of(len(files), 'table')} saved to {folder}"),
        )

    def _enable(self) -> None:
        ready = self._measured is not None
        self.button.setEnabled(not self._task.is_busy)
        self.save_button.setEnabled(ready and not self._saving.is_busy)
        controls: tuple[QWidget, ...] = (self.colour_by, self.separation)
        for widget in controls:
            widget.setEnabled(ready)
        if not ready:
            self.colour_bar.hide()


def _measured(layer: Surface, result: FitResult | None) -> MeasuredMesh:
    # Imported here, and so in a thread: it brings scipy along.
    from napari_deltamic.plugin.measured_mesh import measured_mesh

    mesh = mesh_from_layer(layer)
    if result is not None and _is_same(mesh, result.mesh):
        return measured_mesh(result.mesh, result)
    return measured_mesh(mesh)


def _is_same(mesh: TriangleMesh, fitted: TriangleMesh) -> bool:
    """Return whether a mesh that went through a layer, in single precision, is the fitted one."""
    if not np.array_equal(mesh.faces, fitted.faces):
        return False
    size = max(float(np.abs(fitted.vertices).max(initial=0.0)), 1.0)
    return bool(np.allclose(mesh.vertices, fitted.vertices, rtol=0.0, atol=1e-5 * size))
