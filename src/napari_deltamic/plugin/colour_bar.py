"""Which colour stands for which number."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_deltamic.plugin.measure_names import short_text_of

_WIDTH, _HEIGHT = 256, 10


class ColourBar(QWidget):
    """A strip of colours between the numbers at its ends."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high, self.strip = QLabel(), QLabel(), QLabel()
        self.strip.setScaledContents(True)
        self.strip.setFixedHeight(_HEIGHT)
        self.strip.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.low)
        layout.addWidget(self.strip, stretch=1)
        layout.addWidget(self.high)

    def show_colours(self, colormap: Any, limits: tuple[float, float], unit: str) -> None:
        """Show a colormap and the numbers that its ends stand for."""
        colours = ensure_colormap(colormap).map(np.linspace(0.0, 1.0, _WIDTH))
        row = np.round(255 * colours).astype(np.uint8)
        pixels = np.repeat(row[None], _HEIGHT, axis=0).tobytes()
        image = QImage(pixels, _WIDTH, _HEIGHT, 4 * _WIDTH, QImage.Format.Format_RGBA8888)
        # A copy, since the image does not keep the bytes alive.
        self.strip.setPixmap(QPixmap.fromImage(image.copy()))
        self.low.setText(short_text_of(limits[0]))
        self.high.setText(f"{short_text_of(limits[1])} {unit}".rstrip())
