"""The widgets of the fold *Correct the mesh*, without what they do."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.correction_layer import CORRECTION_LAYER
from napari_deltamic.plugin.edit_history import EditHistory
from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.widgets import MessageLabel, length_field

_RADIUS = 3.0


class EditControls(Fold):
    """Buttons and fields.

    Attributes
    ----------
    subject, message
        What is corrected, and what came of it.
    pause
        For a fit that runs.
    regions, radius
        Numbers of the chosen regions, and how large what is added or dragged is.
    delete, merge, split, smooth, add, drag, paint
        The corrections; adding and dragging go on until the button is pressed again.
    undo, redo
        What they say.
    apply, discard
        For what is painted.
    """

    def __init__(self) -> None:
        super().__init__("Correct the mesh")
        self.subject, self.message = QLabel(), MessageLabel()
        self.subject.setWordWrap(True)
        self.pause = _button("Pause the fit to correct its mesh", "The fit waits meanwhile")
        self.regions = QLineEdit()
        self.regions.setPlaceholderText("click a cell")
        self.regions.setToolTip("Numbers of the chosen regions, such as 3 or 3, 7")
        self.radius = length_field("Of the sphere to add, and of what a drag takes along")
        self.radius.setDecimals(1)
        self.radius.setValue(_RADIUS)
        self.delete = _button("Delete", "Take the chosen regions away")
        self.merge = _button("Merge", "Make the chosen regions, which touch, one")
        self.split = _button("Split", "Cut the chosen regions in two across their longest axis")
        self.smooth = _button("Smooth", "Smooth the chosen regions, or all if none is chosen")
        self.add = _button("Add", "Click where a region is missing: a sphere comes there", True)
        self.drag = _button("Drag", "Pull the surface with the mouse, in 2D or 3D", True)
        self.paint = _button("Paint", f"Mend cells with a brush, in the layer {CORRECTION_LAYER!r}")
        self.undo, self.redo = _button("Undo", ""), _button("Redo", "")
        self.apply = _button("Apply", "Make the mesh anew from what is painted")
        self.discard = _button("Discard", "Leave the mesh as it was")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        self._editing = QWidget()
        grid = QGridLayout(self._editing)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        fields = QHBoxLayout()
        for title, field in (("Regions", self.regions), ("Radius", self.radius)):
            label = QLabel(title)
            label.setToolTip(field.toolTip())
            fields.addWidget(label)
            fields.addWidget(field, stretch=1)
        grid.addLayout(fields, 0, 0, 1, 20)
        for row, buttons in enumerate(
            (
                (self.delete, self.merge, self.split, self.smooth),
                (self.add, self.drag, self.paint, self.undo, self.redo),
            ),
            start=1,
        ):
            width = 20 // len(buttons)
            for place, button in enumerate(buttons):
                grid.addWidget(button, row, width * place, 1, width)
        self._painting = QWidget()
        row_of_two = QHBoxLayout(self._painting)
        row_of_two.setContentsMargins(0, 0, 0, 0)
        row_of_two.addWidget(self.apply)
        row_of_two.addWidget(self.discard)
        for widget in (self.subject, self.pause, self._editing, self._painting, self.message):
            column.addWidget(widget)
        self.addWidget(inside)
        for keys, button in (
            (QKeySequence.StandardKey.Undo, self.undo),
            (QKeySequence.StandardKey.Redo, self.redo),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(button.click)

    def show_history(self, history: EditHistory | None) -> None:
        """Say what can be undone and done again."""
        for button, what, verb in (
            (self.undo, "" if history is None else history.undoes, "Undo"),
            (self.redo, "" if history is None else history.redoes, "Do again"),
        ):
            button.setEnabled(bool(what))
            button.setToolTip(f"{verb}: {what}" if what else f"Nothing to {verb.lower()}")


def _button(text: str, tip: str, is_mode: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setCheckable(is_mode)
    # Five in a row of a narrow dock.
    button.setMinimumWidth(40)
    return button
