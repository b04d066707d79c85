"""A small table: how good a model is, beside bicubic interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_deltamic.plugin.theme import fade

if TYPE_CHECKING:
    from napari_deltamic.compressive import Scores

NOTHING = "–"
_COLUMNS = {
    "ssim": (
        "SSIM",
        "Structural similarity to the truth: 1 is the same",
        "{:.3f}",
    ),
    "psnr": ("PSNR", "Peak signal to noise ratio in dB: the higher the better", "{:.1f} dB"),
    "l1": ("L1", "Mean absolute error, of images from 0 to 1: the lower the better", "{:.4f}"),
    "dice": ("Dice", "Overlap of what is found with the labels: 1 is all of it", "{:.3f}"),
}
MODEL, INTERPOLATED = "This model", "Interpolation"
_ROWS = {
    MODEL: "Of planes that were kept from training",
    INTERPOLATED: "Bicubic, of as many frames in even light, with the same dose and noise",
}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ScoresTable(QWidget):
    """Scores of a model and of interpolation.

    Attributes
    ----------
    values
        The numbers' labels, by row and column.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[tuple[str, str], QLabel] = {}
        self._titles: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for column, (name, (title, tip, _)) in enumerate(_COLUMNS.items(), start=1):
            head = self._titles[name] = QLabel(title)
            head.setAlignment(_RIGHT)
            head.setToolTip(tip)
            fade(head)
            grid.addWidget(head, 0, column)
        for line, (row, row_tip) in enumerate(_ROWS.items(), start=1):
            label = QLabel(row)
            label.setToolTip(row_tip)
            grid.addWidget(label, line, 0)
            for column, (name, (_, tip, _)) in enumerate(_COLUMNS.items(), start=1):
                value = self.values[row, name] = QLabel(NOTHING)
                value.setAlignment(_RIGHT)
                value.setToolTip(tip)
                grid.addWidget(value, line, column)

    def show_scores(self, model: Scores, interpolated: Scores) -> None:
        """Show the scores of planes that were kept from training."""
        for row, scores in ((MODEL, model), (INTERPOLATED, interpolated)):
            for name, (_, _, form) in _COLUMNS.items():
                value = getattr(scores, name)
                self.values[row, name].setText(NOTHING if value is None else form.format(value))
        has_dice = model.dice is not None
        for label in (self._titles["dice"], *(self.values[row, "dice"] for row in _ROWS)):
            label.setVisible(has_dice)
