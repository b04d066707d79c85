"""The loss curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph
from qtpy.QtWidgets import QVBoxLayout, QWidget

# A curve of this many points draws in a few milliseconds, and no screen shows more.
MOST_POINTS = 4000
# Legible on napari's dark and light themes.
_GREY = "#969696"


class LossPlot(QWidget):
    """Loss against iteration on a logarithmic scale; dashed lines where stages begin."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = pyqtgraph.PlotWidget(
            background=None, axisItems={"left": _PowerAxis(orientation="left")}
        )
        self.plot.setLabel("bottom", "iteration")
        self.plot.setLabel("left", "loss")
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
            self.plot.getAxis(side).setTextPen(_GREY)
            self.plot.getAxis(side).setPen(_GREY)
        self.curve = self.plot.plot(pen=pyqtgraph.mkPen("#f5a623", width=2))
        self._stage_lines: list[pyqtgraph.InfiniteLine] = []
        self._shown = -1
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.setFixedHeight(170)
        self.setToolTip(
            "Unexplained part of the image, as energy; 1 is nothing explained, 0 everything. "
            "It may rise at a dashed line, where finer detail joins in."
        )

    def clear(self) -> None:
        """Empty the plot for a new fit."""
        self.show_losses([])
        for line in self._stage_lines:
            self.plot.removeItem(line)
        self._stage_lines.clear()

    def show_losses(self, losses: Sequence[float]) -> None:
        """Draw the loss of all iterations so far, unless they are drawn already."""
        if len(losses) == self._shown:
            return
        self._shown = len(losses)
        step = 1 + len(losses) // MOST_POINTS
        values = np.asarray(losses[::step], dtype=np.float64)
        iterations = 1 + step * np.arange(len(values))
        # The logarithm of a perfect fit would be minus infinity.
        self.curve.setData(iterations, np.log10(np.maximum(values, 1e-12)))

    def mark_stage(self, iteration: int) -> None:
        """Draw a line where a stage begins."""
        pen = pyqtgraph.mkPen(_GREY, style=pyqtgraph.QtCore.Qt.PenStyle.DashLine)
        self._stage_lines.append(self.plot.addLine(x=iteration, pen=pen))


class _PowerAxis(pyqtgraph.AxisItem):
    """An axis of logarithms that shows the numbers themselves, few enough to read."""

    def tickStrings(  # noqa: N802
        self, values: Sequence[float], scale: float, spacing: float
    ) -> list[str]:
        """Return the texts beside the ticks."""
        return [f"{10.0**value:.2g}" for value in values]
