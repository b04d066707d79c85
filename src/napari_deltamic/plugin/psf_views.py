"""The PSF designer's pictures: three planes of the PSF and one of the OTF, with scale bars."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_deltamic.plugin.psf_drawing import Sections, Transfer

_DECADES = 4.0
_SIDE = 138
_BARS = (1.0, 2.0, 5.0)
_PLANES = {
    "xy": ("x", "y", "Seen along the optical axis"),
    "yz": ("z", "y", "From the side: z, the optical axis, to the right"),
    "xz": ("x", "z", "From the side: z, the optical axis, downwards"),
    "otf": (
        "kx",
        "kz",
        "Optical transfer function: how much contrast is left of each frequency. The dashed box "
        "is what the image's voxels can hold.",
    ),
}


class Picture(NamedTuple):
    """What a view shows."""

    values: NDArray[np.float32]
    """(rows, columns) from 0 to 1."""
    size: tuple[float, float]
    """Of the whole, down and to the right, in the unit."""
    unit: str
    box: tuple[float, float] | None = None
    """Half-size of a dashed box about the centre."""


class PictureView(QWidget):
    """One picture in its true proportions, with the names of its axes and a scale bar."""

    def __init__(self, right: str, down: str, tip: str) -> None:
        super().__init__()
        self._axes = right, down
        self._picture: Picture | None = None
        self._is_logarithmic = self._is_stale = False
        self.image: QImage | None = None
        self.setToolTip(tip)
        self.setMinimumSize(_SIDE, _SIDE)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for a square."""
        return QSize(_SIDE, _SIDE)

    @property
    def picture(self) -> Picture | None:
        """What is shown."""
        return self._picture

    def show_picture(self, picture: Picture | None) -> None:
        """Show a picture, or none."""
        self._picture = picture
        self._colour()

    def set_logarithmic(self, logarithmic: bool) -> None:
        """Choose the scale of brightness."""
        self._is_logarithmic = logarithmic
        self._colour()

    def set_stale(self, stale: bool) -> None:
        """Grey the picture, which is not what the numbers say."""
        self._is_stale = stale
        self.update()

    def _colour(self) -> None:
        self.update()
        if self._picture is None:
            self.image = None
            return
        values = np.clip(self._picture.values, 0.0, 1.0)
        if self._is_logarithmic:
            values = 1.0 + np.log10(np.maximum(values, 10.0**-_DECADES)) / _DECADES
        index = np.ascontiguousarray(np.rint(255.0 * values).astype(np.uint8))
        rows, columns = index.shape
        # Copied, because Qt does not keep the memory of the array.
        image = QImage(index.data, columns, rows, columns, QImage.Format.Format_Indexed8).copy()
        image.setColorTable(_COLOURS)
        self.image = image.convertToFormat(QImage.Format.Format_RGB32)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the picture."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0))
        if self._picture is None or self.image is None:
            return
        down, right = self._picture.size
        per_unit = min(self.width() / right, self.height() / down)
        frame = QRectF(0.0, 0.0, right * per_unit, down * per_unit)
        frame.moveCenter(QRectF(self.rect()).center())
        painter.setOpacity(0.3 if self._is_stale else 1.0)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(frame, self.image)
        self._draw_box(painter, frame, per_unit)
        self._draw_words(painter, per_unit)

    def _draw_box(self, painter: QPainter, frame: QRectF, per_unit: float) -> None:
        assert self._picture is not None
        if self._picture.box is None:
            return
        down, right = (2.0 * half * per_unit for half in self._picture.box)
        box = QRectF(0.0, 0.0, right, down)
        box.moveCenter(frame.center())
        painter.setPen(QPen(QColor("#7fdfff"), 1.0, Qt.PenStyle.DashLine))
        painter.setClipRect(frame)
        painter.drawRect(box)
        painter.setClipping(False)

    def _draw_words(self, painter: QPainter, per_unit: float) -> None:
        assert self._picture is not None
        painter.setPen(QColor("white"))
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        right, down = self._axes
        _outlined(painter, QPointF(5, 14), f"{right} →")
        _outlined(painter, QPointF(5, 28), f"{down} ↓")
        length = _bar_length(0.4 * self.width() / per_unit)
        x, y = self.width() - 6.0, self.height() - 7.0
        for width, colour in ((4.0, "black"), (2.0, "white")):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawLine(QPointF(x - length * per_unit, y), QPointF(x, y))
        text = f"{length:g} {self._picture.unit}"
        wide = painter.fontMetrics().horizontalAdvance(text)
        _outlined(painter, QPointF(x - wide, y - 5), text)


class PsfViews(QWidget):
    """The four pictures, and the switch of their scale."""

    def __init__(self) -> None:
        super().__init__()
        self.views = {name: PictureView(*words) for name, words in _PLANES.items()}
        self.logarithmic = QCheckBox("Log scale")
        self.logarithmic.setToolTip("Show brightness over four decades: rings and cones come out")
        self.width_label = QLabel()
        self.width_label.setToolTip("Full width at half maximum through the brightest point")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for place, (name, view) in enumerate(self.views.items()):
            grid.addWidget(view, place // 2, place % 2)
            self.logarithmic.toggled.connect(self.views[name].set_logarithmic)
        below = QHBoxLayout()
        below.addWidget(self.width_label, stretch=1)
        below.addWidget(self.logarithmic)
        grid.addLayout(below, 2, 0, 1, 2)

    def show_sections(self, sections: Sections) -> None:
        """Show the planes of a PSF."""
        z, y, x = sections.steps
        steps = {"xy": (y, x), "yz": (y, z), "xz": (z, x)}
        for name, plane in sections.planes.items():
            rows, columns = plane.shape
            size = rows * steps[name][0], columns * steps[name][1]
            self.views[name].show_picture(Picture(plane, size, "µm"))
        self.width_label.setText(
            "FWHM wider than shown"
            if sections.fwhm is None
            else ("FWHM" if sections.is_final else "FWHM about")
            + " z {:.2f}, y {:.2f}, x {:.2f} µm".format(*sections.fwhm)
        )

    def show_transfer(self, transfer: Transfer, spacing: NDArray[np.float64] | None) -> None:
        """Show an OTF, with what voxels of some spacing can hold."""
        box = None if spacing is None else (0.5 / float(spacing[0]), 0.5 / float(spacing[2]))
        size = 2.0 * transfer.reach[0], 2.0 * transfer.reach[1]
        self.views["otf"].show_picture(Picture(transfer.magnitude, size, "/µm", box))

    def set_stale(self, stale: bool) -> None:
        """Grey all pictures."""
        for view in self.views.values():
            view.set_stale(stale)
        self.width_label.setEnabled(not stale)


def _colour_table() -> list[int]:
    colours = np.rint(255 * ensure_colormap("inferno").map(np.linspace(0, 1, 256))).astype(int)
    return [0xFF000000 | int(r) << 16 | int(g) << 8 | int(b) for r, g, b, _ in colours]


_COLOURS = _colour_table()


def _bar_length(most: float) -> float:
    """Return the longest round length up to some length."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(power * max(step for step in _BARS if step * power <= most * (1 + 1e-9)))


def _outlined(painter: QPainter, place: QPointF, text: str) -> None:
    """Write text that can be read on bright and dark."""
    painter.setPen(QColor("black"))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(place + QPointF(dx, dy), text)
    painter.setPen(QColor("white"))
    painter.drawText(place, text)
