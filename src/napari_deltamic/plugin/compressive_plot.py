"""The curves of a training: the loss on what it learns from, and on what it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPen, QShowEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_deltamic.plugin.theme import Colours, ThemeFollower

if TYPE_CHECKING:
    import pyqtgraph

    from napari_deltamic.compressive.state import Epoch

_HEIGHT = 140
# Of the losses' range, above and below the curves.
_MARGIN = 0.1


class TrainingPlot(QWidget):
    """Losses against epochs.

    Made when it is first seen: the library that draws it takes as long to load as all other docks.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Epoch, ...] = ()
        self.legend = QLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.legend)
        self.setToolTip(
            "How far reconstructions are from the truth, after each epoch. Validation images are "
            "not learned from; the best epoch is the one with the lowest validation loss. It may "
            "rise where patterns become binary, after a third."
        )
        self._theme = ThemeFollower(self, self._colour)

    @cached_property
    def plot(self) -> pyqtgraph.PlotWidget:
        """The axes."""
        import pyqtgraph

        plot = pyqtgraph.PlotWidget(background=None)
        plot.setLabel("bottom", "epoch")
        plot.setLabel("left", "loss")
        plot.setMenuEnabled(False)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        plot.setFixedHeight(_HEIGHT)
        # The uppermost number stands half above the axis.
        plot.getPlotItem().layout.setContentsMargins(0, 8, 8, 0)
        plot.setRange(xRange=(0, 10), yRange=(0, 1), disableAutoRange=True)
        for side in ("bottom", "left"):
            plot.getAxis(side).enableAutoSIPrefix(False)
        self.layout().addWidget(plot)
        return plot

    @cached_property
    def curves(self) -> tuple[pyqtgraph.PlotDataItem, pyqtgraph.PlotDataItem]:
        """Training's and validation's."""
        curves = self.plot.plot(), self.plot.plot()
        self._paint(curves, self._theme.colours)
        return curves

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Make what is to be seen."""
        assert self.curves
        super().showEvent(event)

    def show_epochs(self, epochs: Sequence[Epoch]) -> None:
        """Draw the losses so far, unless they are drawn already."""
        found = tuple(epochs)
        if found == self._shown:
            return
        self._shown = found
        numbers = np.array([epoch.number for epoch in found], dtype=np.float64)
        losses = np.array([epoch[1:] for epoch in found], dtype=np.float64).reshape(-1, 2)
        # A single epoch would be a line without length.
        symbol = "o" if len(found) == 1 else None
        for curve, values in zip(self.curves, losses.T, strict=True):
            curve.setData(numbers, values, symbol=symbol)
        if len(found):
            low, high = float(losses.min()), float(losses.max())
            margin = max(_MARGIN * (high - low), 1e-3 * high)
            self.plot.setRange(
                xRange=(1, max(int(numbers[-1]), 2)),
                yRange=(low - margin, high + margin),
                disableAutoRange=True,
            )

    def _colour(self, colours: Colours) -> None:
        self.legend.setText(
            f"<span style='color:{colours.faded}'>━</span> training&nbsp;&nbsp; "
            f"<span style='color:{colours.curve}'>━</span> validation"
        )
        if "curves" in self.__dict__:
            self._paint(self.curves, colours)

    def _paint(self, curves: Sequence[pyqtgraph.PlotDataItem], colours: Colours) -> None:
        for curve, colour in zip(curves, (colours.faded, colours.curve), strict=True):
            pen = QPen(QColor(colour), 2)
            pen.setCosmetic(True)
            curve.setPen(pen)
            curve.setSymbolBrush(QColor(colour))
            curve.setSymbolPen(None)
        for side in ("bottom", "left"):
            self.plot.getAxis(side).setTextPen(colours.faded)
            self.plot.getAxis(side).setPen(colours.faded)
        # What lies behind is kept as a picture.
        self.plot.resetCachedContent()
