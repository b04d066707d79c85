"""Colours that suit napari's theme, and change with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget


class Colours(NamedTuple):
    """What the docks draw with besides the theme's own colours."""

    text: str
    """As the theme's own, for what is drawn as a picture."""
    faded: str
    """Text and axes of less weight."""
    curve: str
    warning: str
    """Style of a warning, as a style sheet says it."""
    good: str
    focus: str
    """Border of what the keyboard acts on."""


DARK = Colours(
    text="#f0f1f2",
    faded="#a4a7ad",
    curve="#f5a623",
    warning="background: #6b5300; color: #fff3c4;",
    good="background: #1d4d2b; color: #d5f5dd;",
    focus="#6cb2f5",
)
LIGHT = Colours(
    text="#3b3a39",
    faded="#5c5c5c",
    curve="#a85f00",
    warning="background: #ffe9a8; color: #4a3800;",
    good="background: #cdeed7; color: #12401f;",
    focus="#1769b5",
)
_CHANGES = (
    QEvent.Type.Show,
    QEvent.Type.Polish,
    QEvent.Type.StyleChange,
    QEvent.Type.PaletteChange,
)


def colours_for(widget: QWidget) -> Colours:
    """Return the colours for what lies behind a widget."""
    # Not its own palette, which may hold colours of its own; and its text's, because a background
    # may be transparent.
    palette = (widget.parentWidget() or widget).palette()
    text: QColor = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.WindowText)
    return DARK if text.lightness() > 128 else LIGHT


class ThemeFollower(QObject):
    """Calls a function with a widget's colours, at once and whenever they are others.

    Parameters
    ----------
    widget
        Which to watch; owns this object.
    recolour
        What to call.
    """

    def __init__(self, widget: QWidget, recolour: Callable[[Colours], None]) -> None:
        super().__init__(widget)
        self._widget, self._recolour = widget, recolour
        self.colours = colours_for(widget)
        widget.installEventFilter(self)
        recolour(self.colours)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Notice another theme."""
        # While a window is taken down events still come, after Python has let go of the rest.
        widget = self.__dict__.get("_widget")
        if widget is not None and event.type() in _CHANGES:
            colours = colours_for(widget)
            if colours is not self.colours:
                self.colours = colours
                self._recolour(colours)
        return False


def fade(label: QWidget) -> None:
    """Give a label less weight than the text around it."""
    ThemeFollower(label, lambda colours: label.setStyleSheet(f"color: {colours.faded}"))


def focus_style(colours: Colours) -> str:
    """Return the style sheet that shows where the keyboard is; napari's own shows it nowhere."""
    kinds = ("QPushButton", "QToolButton", "QComboBox", "QAbstractSpinBox", "QLineEdit")
    chosen = ", ".join(f"{kind}:focus" for kind in (*kinds, "QSlider", "QCheckBox", "QTableView"))
    return f"{chosen} {{ border: 1px solid {colours.focus}; }}"
