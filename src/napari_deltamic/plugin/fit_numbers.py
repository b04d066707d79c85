"""The numbers below the progress bar of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_deltamic.plugin.pace import about, clock, speed
from napari_deltamic.plugin.theme import fade

if TYPE_CHECKING:
    from napari_deltamic.plugin.pace import Pace

NOTHING = "–"
_TITLES = {
    "Stage": "Each stage looks closer than the one before",
    "Iteration": "Steps done, over all stages",
    "Loss": "Unexplained part of the image, as energy",
    "Speed": "Iterations per second, or seconds for one, lately",
    "Elapsed": "Without pauses",
    "Left": "If it goes on as it went so far; stages that settle early are over sooner",
}
_COLUMNS = 3
_MILLISECONDS = 500


class FitNumbers(QWidget):
    """How far a fit is, and how fast it goes.

    Attributes
    ----------
    values
        The numbers' labels, by their title.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values = {title: QLabel(NOTHING) for title in _TITLES}
        self._pace: Pace | None = None
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for number, (title, label) in enumerate(self.values.items()):
            row, column = divmod(number, _COLUMNS)
            name = QLabel(title)
            fade(name)
            for widget in (name, label):
                widget.setToolTip(_TITLES[title])
            grid.addWidget(name, 2 * row, column)
            grid.addWidget(label, 2 * row + 1, column)
            grid.setColumnStretch(column, 1)
        self._timer = QTimer(self)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._show_times)

    def clear(self) -> None:
        """Show nothing, for a new fit."""
        for label in self.values.values():
            label.setText(NOTHING)

    def follow(self, pace: Pace | None) -> None:
        """Show the times of a fit as they go by; None for one that is over."""
        if pace is not None:
            self._pace = pace
            self._timer.start()
        else:
            self._timer.stop()
        self._show_times()

    def _show_times(self) -> None:
        pace = self._pace
        if pace is None:
            return
        rate, left = pace.rate, pace.seconds_left
        self.values["Speed"].setText(NOTHING if rate is None else speed(rate))
        self.values["Elapsed"].setText(clock(pace.elapsed))
        self.values["Left"].setText(NOTHING if left is None else about(left))
