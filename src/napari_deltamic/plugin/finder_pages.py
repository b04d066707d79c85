"""The fields that say how cells are found in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Points
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from napari_deltamic.plugin.cell_finder import InteriorFinder, MembraneFinder
from napari_deltamic.plugin.widgets import AUTOMATIC, LayerChooser, length_field

if TYPE_CHECKING:
    from napari.viewer import Viewer

_SURROUNDINGS = {
    AUTOMATIC: None,
    "the outside (embryo)": True,
    "more cells (tissue)": False,
}


class MembranePage(QWidget):
    """How cells with marked membranes are found."""

    def __init__(self) -> None:
        super().__init__()
        self.cell_size = length_field("Typical diameter of a cell", automatic=True)
        self.surroundings = QComboBox()
        self.surroundings.addItems(list(_SURROUNDINGS))
        self.surroundings.setToolTip("What lies next to the outermost cells")
        self.strength = QDoubleSpinBox()
        self.strength.setRange(0.0, 0.95)
        self.strength.setSingleStep(0.05)
        self.strength.setSpecialValueText(AUTOMATIC)
        self.strength.setToolTip(
            "How strong a membrane must be to part two cells, from 0 to 1; automatic is 0.3. "
            "Higher values merge more cells."
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Cell size", self.cell_size)
        form.addRow("Surrounded by", self.surroundings)
        form.addRow("Least strength", self.strength)

    def finder(self) -> MembraneFinder:
        """Return the settings as entered."""
        return MembraneFinder(
            self.cell_size.value() or None,
            _SURROUNDINGS[self.surroundings.currentText()],
            self.strength.value() or None,
        )


class InteriorPage(QWidget):
    """How bright objects are found."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.0, 1e9)
        self.threshold.setDecimals(2)
        self.threshold.setSpecialValueText(AUTOMATIC)
        self.threshold.setToolTip(
            "Voxels above belong to objects. Automatic: Otsu's threshold, then each object is cut "
            "at half its own brightness."
        )
        self.smallest = length_field("Drop objects of a smaller volume (µm³)", automatic=True)
        self.smallest.setRange(0.0, 1e9)
        self.smallest.setSuffix(" µm³")
        self.split = QCheckBox("Split touching objects")
        self.split.setChecked(True)
        self.split.setToolTip("Cut objects in two where they are thin or dim")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Threshold", self.threshold)
        form.addRow("Smallest", self.smallest)
        form.addRow("", self.split)

    def finder(self) -> InteriorFinder:
        """Return the settings as entered."""
        return InteriorFinder(
            self.threshold.value() or None, self.smallest.value() or None, self.split.isChecked()
        )


class MarkerRows(QWidget):
    """Points that say what the cells are, and buttons to find them and to see the cells."""

    find_pressed = Signal()
    preview_pressed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.use = QCheckBox()
        self.use.setToolTip("Find just the cells in which a point of this layer lies")
        self.points = LayerChooser(viewer, Points, "find or add points first")
        self.points.setToolTip(self.use.toolTip())
        self.points.setEnabled(False)
        self.use.toggled.connect(self.points.setEnabled)
        self.find = QPushButton("Find markers")
        self.find.setToolTip(
            "Puts one point into each cell; add, drag or delete some, then look at the labels"
        )
        self.preview = QPushButton("Preview labels")
        self.preview.setToolTip("Shows the cells as labels; paint to correct them")
        self.find.clicked.connect(self.find_pressed)
        self.preview.clicked.connect(self.preview_pressed)
        markers = QHBoxLayout()
        markers.addWidget(self.use)
        markers.addWidget(self.points, stretch=1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.find, stretch=1)
        buttons.addWidget(self.preview, stretch=1)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Markers", markers)
        # Over the whole width, of which they need much.
        form.addRow(buttons)

    def chosen(self) -> Points | None:
        """Return the layer of the markers; None to find the cells without.

        Raises
        ------
        ValueError
            If markers are to be used and there are none.
        """
        if not self.use.isChecked():
            return None
        if self.points.layer is None:
            raise ValueError("choose a Points layer for the markers, or untick it")
        return self.points.layer

    def take(self, layer: Points) -> None:
        """Use the points of a layer."""
        self.points.choose(layer)
        self.use.setChecked(True)

    def set_busy(self, busy: bool) -> None:
        """Grey the buttons while something is computed."""
        self.find.setEnabled(not busy)
        self.preview.setEnabled(not busy)
