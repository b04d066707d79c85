"""Widgets folded away under a title."""

from __future__ import annotations

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from superqt import QCollapsible

from napari_deltamic.plugin.theme import Colours, ThemeFollower

_SIZE = 24
_OPEN, _CLOSED = ((4, 7), (20, 7), (12, 18)), ((7, 4), (18, 12), (7, 20))


class Fold(QCollapsible):
    """A title that shows and hides what is in it, folded at first.

    What is folded away is out of the keyboard's reach too.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.toggled.connect(self.content().setVisible)
        self.collapse(animate=False)
        ThemeFollower(self, self._colour)

    def _colour(self, colours: Colours) -> None:
        self.setExpandedIcon(_arrow(_OPEN, colours.text))
        self.setCollapsedIcon(_arrow(_CLOSED, colours.text))
        self.toggleButton().setStyleSheet(
            "QPushButton { text-align: left; border: none; background: transparent; }"
            "QPushButton:hover { background: rgba(128, 128, 128, 60); }"
            f"QPushButton:focus {{ border: 1px solid {colours.focus}; }}"
        )


def _arrow(corners: tuple[tuple[int, int], ...], colour: str) -> QIcon:
    picture = QPixmap(_SIZE, _SIZE)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
    painter.end()
    return QIcon(picture)
