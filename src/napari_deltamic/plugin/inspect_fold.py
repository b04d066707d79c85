"""The fold *Inspect* of the Fit dock: back through a fit, colours of its surface, the residual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.colour_bar import ColourBar
from napari_deltamic.plugin.fit_colours import CURVATURE, ERROR, REGION, RESIDUAL, STEP, TIPS
from napari_deltamic.plugin.fold import Fold

if TYPE_CHECKING:
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.inspection import Inspection

_NO_ERRORS = "Known once a fit with Advanced > Standard errors has ended"
# While the colours are not known.
_UNKNOWN = "Not known of this moment."
_NOTES = {
    STEP: "Known from the next iteration on.",
    CURVATURE: "Being worked out...",
    RESIDUAL: "Comes with the next rendering...",
    ERROR: "Known of the mesh that the fit ended with.",
}


class InspectFold(Fold):
    """Chooses what is shown of a fit, while it runs and after it.

    Attributes
    ----------
    slider
        From the first moment kept to the latest, which goes on by itself.
    live
        Back to the latest.
    keep
        Adds what is shown as a layer.
    colour_by, colour_bar
        What the surface's colours stand for.
    residual
        Whether the residual has a layer.
    moment, note
        Which moment is shown, and what is not known of it.
    """

    def __init__(self, inspection: Inspection) -> None:
        super().__init__("Inspect")
        self._inspection = inspection
        self._moments: tuple[Moment, ...] = ()
        # Of the colour bar: all of a colouring but its values.
        self._scale: tuple[object, ...] = ()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Moment of the fit")
        self.live, self.keep = QPushButton("Latest"), QPushButton("Keep as layer")
        self.moment, self.note = QLabel(), QLabel()
        self.colour_by, self.colour_bar = QComboBox(), ColourBar()
        self.residual = QCheckBox("Show residual")
        self._lay_out()
        self.slider.valueChanged.connect(self._on_slider)
        self.live.clicked.connect(inspection.go_on)
        self.keep.clicked.connect(lambda: show_info(f"Kept as the layer {inspection.keep()!r}"))
        # Not currentIndexChanged: who chooses the same again wants to see it again.
        self.colour_by.textActivated.connect(inspection.colour_by)
        self.residual.toggled.connect(inspection.show_residual)
        inspection.changed.connect(self._refresh)
        self.residual.setChecked(inspection.shows_residual)
        self._refresh()

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        self.slider.setToolTip(
            "Back to earlier moments of the fit; at its right end the view follows the fit. "
            "Measuring, saving and the next fit take the latest mesh all the same."
        )
        self.live.setToolTip("Show the latest state again")
        self.keep.setToolTip("Add this mesh as a layer of its own, to measure or to fit from")
        self.moment.setWordWrap(True)
        column.addWidget(self.slider)
        column.addWidget(self.moment)
        row = QHBoxLayout()
        row.addWidget(self.live)
        row.addWidget(self.keep)
        column.addLayout(row)
        for number, (name, tip) in enumerate(TIPS.items()):
            self.colour_by.addItem(name)
            self.colour_by.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
        self.colour_by.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.note.setWordWrap(True)
        self.residual.setToolTip(
            "A layer of image minus rendering, in standard deviations of the noise: red where the "
            "image is brighter. What the model explains looks like noise."
        )
        form = QFormLayout()
        form.addRow("Colour by", self.colour_by)
        form.addRow("", self.colour_bar)
        column.addLayout(form)
        column.addWidget(self.note)
        column.addWidget(self.residual, alignment=Qt.AlignmentFlag.AlignLeft)
        self.addWidget(inside)
        self.collapse(animate=False)

    def _on_slider(self, place: int) -> None:
        if place >= self.slider.maximum():
            self._inspection.go_on()
        elif place < len(self._moments):
            self._inspection.hold(self._moments[place])

    def _refresh(self) -> None:
        inspection = self._inspection
        shown, self._moments = inspection.shown, inspection.moments
        last = max(len(self._moments) - 1, 0)
        self.slider.blockSignals(True)
        self.slider.setRange(0, last)
        self.slider.setValue(last if inspection.is_live else self._place_of(shown))
        self.slider.blockSignals(False)
        self.slider.setEnabled(last > 0)
        self.live.setEnabled(not inspection.is_live)
        self.keep.setEnabled(shown is not None)
        self.moment.setText("" if shown is None else moment_text(shown, inspection.stages))
        self.moment.setVisible(shown is not None)
        self._refresh_colours()

    def _refresh_colours(self) -> None:
        inspection = self._inspection
        number = self.colour_by.findText(ERROR)
        item = self.colour_by.model().item(number)
        item.setEnabled(inspection.has_errors)
        tip = TIPS[ERROR] if inspection.has_errors else _NO_ERRORS
        self.colour_by.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
        self.colour_by.setCurrentText(inspection.name)
        self.colour_by.setToolTip(TIPS[inspection.name])
        colouring = inspection.colouring
        self.colour_bar.setVisible(colouring is not None)
        if colouring is not None and self._scale != colouring[1:]:
            self._scale = colouring[1:]
            self.colour_bar.show_colours(colouring.colormap, colouring.limits, colouring.unit)
        shown = inspection.shown
        is_waiting = inspection.name != REGION and colouring is None and shown is not None
        can_come = shown is not None and shown.observed is not None
        notes = _NOTES if can_come else {}
        self.note.setText(notes.get(inspection.name, _UNKNOWN) if is_waiting else "")
        self.note.setVisible(is_waiting)

    def _place_of(self, shown: Moment | None) -> int:
        """Return the number of a moment, or of one near it if it was dropped since."""
        iteration = 0 if shown is None else shown.iteration
        earlier = [n for n, moment in enumerate(self._moments) if moment.iteration <= iteration]
        return earlier[-1] if earlier else 0


def moment_text(moment: Moment, stages: int) -> str:
    """Return "Iteration 120, stage 2 of 4, loss 0.031"."""
    stage = f"stage {moment.stage + 1} of {stages}"
    return f"Iteration {moment.iteration}, {stage}, loss {moment.loss:.3g}"
