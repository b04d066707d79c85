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
        # The uppermost number stands half above the axis.
        self.plot.getPlotItem().layout.setContentsMargins(0, 8, 8, 0)
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
            self.plot.getAxis(side).setTextPen(_GREY)
            self.plot.getAxis(side).setPen(_GREY)
        self.curve = self.plot.plot(pen=pyqtgraph.mkPen("#f5a623", width=2))
        self.stage_lines: list[pyqtgraph.InfiniteLine] = []
        self._shown = (-1, -1)
        self.clear()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.setFixedHeight(150)
        self.setToolTip(
            "Unexplained part of the image, as energy; 1 is nothing explained, 0 everything. "
            "It may rise at a dashed line, where finer detail joins in."
        )

    def clear(self) -> None:
        """Empty the plot for a new fit."""
        self.show_losses([], [])
        for line in self.stage_lines:
            self.plot.removeItem(line)
        self.stage_lines.clear()

    def show_losses(self, losses: Sequence[float], stage_starts: Sequence[int]) -> None:
        """Draw the fit so far, unless it is drawn already.

        Parameters
        ----------
        losses
            Loss of every iteration.
        stage_starts
            First iteration, counted from 1, of every stage.
        """
        if self._shown == (len(losses), len(stage_starts)):
            return
        self._shown = len(losses), len(stage_starts)
        step = 1 + len(losses) // MOST_POINTS
        values = np.asarray(losses[::step], dtype=np.float64)
        iterations = 1 + step * np.arange(len(values))
        # The logarithm of a perfect fit would be minus infinity.
        self.curve.setData(iterations, np.log10(np.maximum(values, 1e-12)))
        if len(values):
            self.plot.enableAutoRange()
        else:
            self.plot.setRange(xRange=(0, 100), yRange=(-3, 0), disableAutoRange=True)
        for start in stage_starts[1 + len(self.stage_lines) :]:
            pen = pyqtgraph.mkPen(_GREY, style=pyqtgraph.QtCore.Qt.PenStyle.DashLine)
            self.stage_lines.append(self.plot.addLine(x=start, pen=pen))


class _PowerAxis(pyqtgraph.AxisItem):
    """An axis of logarithms that shows the numbers themselves."""

    def tickValues(  # noqa: N802
        self, lowest: float, highest: float, size: float
    ) -> list[tuple[float, Sequence[float]]]:
        """Return ticks at powers of ten, over a short range at 2 and 5 times them too."""
        if highest - lowest < 0.7:
            return super().tickValues(lowest, highest, size)
        factors = [0.0] if highest - lowest > 2.0 else [0.0, *np.log10((2.0, 5.0))]
        powers = np.arange(np.floor(lowest), np.ceil(highest) + 1.0)
        ticks = np.add.outer(powers, factors).ravel()
        return [(1.0, ticks[(ticks >= lowest) & (ticks <= highest)].tolist())]

    def tickStrings(  # noqa: N802
        self, values: Sequence[float], scale: float, spacing: float
    ) -> list[str]:
        """Return the texts beside the ticks."""
        return [f"{10.0**value:.3g}" for value in values]
