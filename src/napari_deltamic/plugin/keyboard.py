"""Docks by keyboard: Tab goes through them as the eye does, Enter presses buttons."""

from __future__ import annotations

from itertools import pairwise

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractButton, QWidget

_SAME_ROW = 6
"""Pixels that the middles of widgets beside one another may differ by."""


def tab_stops(widget: QWidget) -> list[QWidget]:
    """Return what Tab can reach in a widget now, row by row and from left to right."""
    return _in_rows(
        [child for child in widget.findChildren(QWidget) if _is_stop(child, widget)], widget
    )


def _in_rows(children: list[QWidget], widget: QWidget) -> list[QWidget]:
    places = [(child.mapTo(widget, QPoint(0, 0)), child) for child in children]
    by_height = sorted(places, key=lambda place: place[0].y() + place[1].height() / 2)
    rows: list[list[tuple[int, QWidget]]] = []
    last = float("-inf")
    for corner, child in by_height:
        middle = corner.y() + child.height() / 2
        if middle - last > _SAME_ROW:
            rows.append([])
            last = middle
        rows[-1].append((corner.x(), child))
    return [child for row in rows for _, child in sorted(row, key=lambda place: place[0])]


def put_in_order(widget: QWidget) -> None:
    """Make Tab go through a widget in the order of :func:`tab_stops`."""
    stops, focused = tab_stops(widget), widget.focusWidget()
    if focused is not None and focused not in stops and focused.window() == widget.window():
        # A button that went grey or was folded away as it was pressed: what follows gets the focus.
        stops = _in_rows([*stops, focused], widget)
    for before, after in pairwise(stops):
        QWidget.setTabOrder(before, after)


def press_on_enter(widget: QWidget, event: QKeyEvent) -> bool:
    """Press the button in a widget that has the focus, if the key is Enter; return whether."""
    focused = widget.focusWidget()
    is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
    if not is_enter or not isinstance(focused, QAbstractButton):
        return False
    focused.click()
    return True


def _is_stop(child: QWidget, widget: QWidget) -> bool:
    takes_tab = bool(child.focusPolicy() & Qt.FocusPolicy.TabFocus)
    # A list that is dropped down is a window of its own.
    is_there = child.isEnabled() and child.isVisibleTo(widget) and child.window() == widget.window()
    return takes_tab and is_there and child.focusProxy() is None
