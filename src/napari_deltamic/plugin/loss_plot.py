"""The loss curve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPen, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deltamic.plugin.theme import Colours, ThemeFollower

if TYPE_CHECKING:
    import pyqtgraph

# A curve of this many points draws in a few milliseconds, and no screen shows more.
MOST_POINTS = 4000
_HEIGHT = 150
# Seen on dark and on light.
_MARKER = "#3f97c6"


class LossPlot(QWidget):
    """Loss against iteration on a logarithmic scale; dashed lines where stages begin.

    Made when it is first seen: the library that draws it takes as long to load as all other docks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage_lines: list[pyqtgraph.InfiniteLine] = []
        self.change_lines: list[pyqtgraph.InfiniteLine] = []
        self._shown = (0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(_HEIGHT)
        self.setToolTip(
            "Unexplained part of the image, as energy; 1 is nothing explained, 0 everything. "
            "It may rise at a dashed line, where finer detail joins in."
        )
        self._theme = ThemeFollower(self, self._colour)

    @cached_property
    def plot(self) -> pyqtgraph.PlotWidget:
        """The axes."""
        import pyqtgraph

        from napari_deltamic.plugin.power_axis import PowerAxis

        plot = pyqtgraph.PlotWidget(
            background=None, axisItems={"left": PowerAxis(orientation="left")}
        )
        plot.setLabel("bottom", "iteration")
        plot.setLabel("left", "loss")
        plot.setMenuEnabled(False)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        # The uppermost number stands half above the axis.
        plot.getPlotItem().layout.setContentsMargins(0, 8, 8, 0)
        plot.setRange(xRange=(0, 100), yRange=(-3, 0), disableAutoRange=True)
        for side in ("bottom", "left"):
            plot.getAxis(side).enableAutoSIPrefix(False)
        self.layout().addWidget(plot)
        return plot

    @cached_property
    def curve(self) -> pyqtgraph.PlotDataItem:
        """What it shows."""
        curve = self.plot.plot()
        self._paint(curve, self._theme.colours)
        return curve

    @cached_property
    def marker(self) -> pyqtgraph.InfiniteLine:
        """A line at the iteration that the view has gone back to."""
        marker = self.plot.addLine(x=0, pen=_solid(_MARKER))
        marker.hide()
        return marker

    def mark(self, iteration: int | None) -> None:
        """Draw a line at an iteration, counted from 1; none if None."""
        if iteration is not None:
            self.marker.setValue(iteration)
        if iteration is not None or "marker" in self.__dict__:
            self.marker.setVisible(iteration is not None)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Make what is to be seen."""
        assert self.curve is not None
        super().showEvent(event)

    def clear(self) -> None:
        """Empty the plot for a new fit."""
        self.show_losses([], [])
        for lines in (self.stage_lines, self.change_lines):
            for line in lines:
                self.plot.removeItem(line)
            lines.clear()

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
            line = self.plot.addLine(x=start, pen=_dashed(self._theme.colours))
            self.stage_lines.append(line)

    def show_changes(self, changes: Sequence[int]) -> None:
        """Draw a dotted line where the user changed what is fitted; iterations counted from 1."""
        for first in changes[len(self.change_lines) :]:
            line = self.plot.addLine(x=first, pen=_dotted(self._theme.colours))
            self.change_lines.append(line)

    def _colour(self, colours: Colours) -> None:
        if "curve" in self.__dict__:
            self._paint(self.curve, colours)

    def _paint(self, curve: pyqtgraph.PlotDataItem, colours: Colours) -> None:
        curve.setPen(_solid(colours.curve))
        for side in ("bottom", "left"):
            self.plot.getAxis(side).setTextPen(colours.faded)
            self.plot.getAxis(side).setPen(colours.faded)
        # What lies behind is kept as a picture.
        self.plot.resetCachedContent()
        for line in self.stage_lines:
            line.setPen(_dashed(colours))
        for line in self.change_lines:
            line.setPen(_dotted(colours))


def _solid(colour: str) -> QPen:
    pen = QPen(QColor(colour), 2)
    pen.setCosmetic(True)
    return pen


def _dashed(colours: Colours) -> QPen:
    pen = QPen(QColor(colours.faded), 1, Qt.PenStyle.DashLine)
    # Of the same width however the axes are scaled.
    pen.setCosmetic(True)
    return pen


def _dotted(colours: Colours) -> QPen:
    pen = QPen(QColor(colours.curve), 1, Qt.PenStyle.DotLine)
    pen.setCosmetic(True)
    return pen
