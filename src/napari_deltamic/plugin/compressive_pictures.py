"""Small grey pictures beside one another: patterns, and one image in three ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_deltamic.plugin.theme import Colours, ThemeFollower

_GAP = 4
_MOST_SIDE = 116
_CAPTION = 16
_TEXT_PIXELS = 11


class Tile(NamedTuple):
    """One picture."""

    image: QImage
    caption: str = ""


class Tiles(QWidget):
    """Pictures in rows, each with its caption below.

    Parameters
    ----------
    tip
        What they show.
    """

    def __init__(self, tip: str) -> None:
        super().__init__()
        self.tiles: list[Tile] = []
        self.setToolTip(tip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._theme = ThemeFollower(self, lambda _: self.update())
        self._fit_height()

    def show_pictures(
        self, pictures: Sequence[ArrayLike], captions: Sequence[str] | None = None
    ) -> None:
        """Show (Y, X) pictures of values from 0 to 1."""
        texts = captions or [""] * len(pictures)
        self.tiles = [
            Tile(_grey(picture), text) for picture, text in zip(pictures, texts, strict=True)
        ]
        self._fit_height()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for what width there is."""
        return QSize(3 * _MOST_SIDE, self.minimumHeight())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Become as high as the pictures need."""
        super().resizeEvent(event)
        self._fit_height()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the pictures."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        font = painter.font()
        font.setPixelSize(_TEXT_PIXELS)
        painter.setFont(font)
        colours: Colours = self._theme.colours
        columns, side = self._columns(), self._side()
        for number, tile in enumerate(self.tiles):
            row, column = divmod(number, columns)
            left, top = column * (side + _GAP), row * self._row_height()
            place = QRectF(left, top, side, side)
            painter.drawImage(place, tile.image)
            if tile.caption:
                painter.setPen(QColor(colours.text))
                below = QRectF(left, top + side, side, _CAPTION)
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, tile.caption)

    def _columns(self) -> int:
        count = max(len(self.tiles), 3)
        return count if count <= 4 else 8 if count <= 16 else 16

    def _side(self) -> int:
        columns = self._columns()
        return max(min((self.width() - (columns - 1) * _GAP) // columns, _MOST_SIDE), 1)

    def _row_height(self) -> int:
        has_captions = any(tile.caption for tile in self.tiles)
        return self._side() + (_CAPTION if has_captions else _GAP)

    def _fit_height(self) -> None:
        rows = -(-len(self.tiles) // self._columns())
        self.setFixedHeight(rows * self._row_height())


def _grey(picture: ArrayLike) -> QImage:
    values = np.clip(np.asarray(picture, dtype=np.float32), 0.0, 1.0)
    index = np.ascontiguousarray(np.rint(255.0 * values).astype(np.uint8))
    rows, columns = index.shape
    # Copied, because Qt does not keep the memory of the array.
    return QImage(index.data, columns, rows, columns, QImage.Format.Format_Grayscale8).copy()
