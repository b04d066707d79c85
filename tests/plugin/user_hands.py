"""What a user's hands do: real clicks, keys and wheel turns on what is seen of a window."""

from __future__ import annotations

from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QAction, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMenu, QScrollArea, QWidget

_LEFT = Qt.MouseButton.LeftButton
_NOTCH = 120
_KEY_MILLISECONDS = 20
_MOST_TABS = 200


class Hands:
    """Work on one window with mouse and keyboard.

    Parameters
    ----------
    qtbot
        Of pytest-qt.
    viewer
        Whose window it is, on the screen.

    Attributes
    ----------
    choices
        How often something was chosen so far: by a click on a button, from a menu or from a list.
    """

    def __init__(self, qtbot, viewer) -> None:
        self._qtbot, self._viewer = qtbot, viewer
        self._window = viewer.window.file_menu.parentWidget().window()
        self.choices = 0
        self._window.activateWindow()
        qtbot.waitUntil(lambda: QApplication.activeWindow() is self._window, timeout=10_000)

    def choose_in_menu(self, *titles: str) -> None:
        """Open a menu of the menu bar and its submenus, and click on the last title."""
        bar = self._viewer.window.main_menu
        self._press_at(bar, _entry(bar, titles[0]))
        for title in titles[1:]:
            menu = self._open_menu()
            self._press_at(menu, _entry(menu, title))
        self.choices += 1

    def _open_menu(self) -> QMenu:
        before = QApplication.activePopupWidget()
        assert isinstance(before, QMenu)
        return before

    def _press_at(self, menu: QWidget, action: QAction) -> None:
        assert action.isEnabled()
        submenu, place = action.menu(), menu.actionGeometry(action).center()
        QTest.mouseMove(menu, place)
        QTest.mouseClick(menu, _LEFT, pos=place)
        if submenu is not None:
            self._qtbot.waitUntil(lambda: QApplication.activePopupWidget() == submenu)

    def press(self, button: QWidget) -> None:
        """Click on a button that can be seen, after scrolling to it."""
        assert button.isEnabled(), f"{button.text()} is grey"
        self._click(button)
        self.choices += 1

    def _click(self, widget: QWidget) -> None:
        self.scroll_to(widget)
        # What unfolds moves for a moment.
        self._qtbot.waitUntil(lambda: self._is_on_top(widget), timeout=5_000)
        self.scroll_to(widget)
        # To the window, so that Qt finds out, as for a real mouse, what is there.
        place = widget.mapTo(self._window, widget.rect().center())
        QTest.mouseClick(self._window.windowHandle(), _LEFT, pos=place)

    def _is_on_top(self, widget: QWidget) -> bool:
        seen = self._window.childAt(widget.mapTo(self._window, widget.rect().center()))
        return seen is not None and (seen == widget or widget.isAncestorOf(seen))

    def scroll_to(self, widget: QWidget) -> None:
        """Turn the wheel until the middle of a widget can be seen."""
        self._qtbot.waitUntil(widget.isVisible, timeout=5_000)
        area = _scroll_area(widget)
        for _ in range(200):
            place = widget.rect().center()
            if area is None or widget.visibleRegion().contains(place):
                break
            view = area.viewport()
            below = widget.mapTo(view, place).y() > view.height() // 2
            _turn_wheel(view, -_NOTCH if below else _NOTCH)
            self._qtbot.wait(1)
        assert widget.visibleRegion().contains(widget.rect().center()), f"cannot scroll to {widget}"

    def type_into(self, field: QWidget, text: str) -> None:
        """Click into a field, type in place of what is there, and leave it with Tab."""
        self._click(field)
        target = QApplication.focusWidget()
        assert target is field or field.isAncestorOf(target)
        self._qtbot.keyClick(target, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        self._qtbot.keyClicks(target, text)
        self._qtbot.keyClick(target, Qt.Key.Key_Tab)

    def choose_in_list(self, box: QWidget, text: str) -> None:
        """Click on a drop-down list and then on one of its entries."""
        self._click(box)
        view = box.view()
        self._qtbot.waitUntil(view.isVisible)
        # Qt takes a sooner click for the second half of a double one.
        self._qtbot.wait(QApplication.doubleClickInterval())
        place = view.visualRect(box.model().index(box.findText(text), 0)).center()
        QTest.mouseClick(view.viewport(), _LEFT, pos=place)
        self._qtbot.waitUntil(lambda: box.currentText() == text)
        self.choices += 1

    def choose_in_menu_by_keys(self, *titles: str) -> None:
        """Open a menu with Alt and its letter, and go on with the arrow keys and Enter."""
        bar = self._viewer.window.main_menu
        letter = _entry(bar, titles[0]).text().partition("&")[2][0].upper()
        self.key(getattr(Qt.Key, f"Key_{letter}"), Qt.KeyboardModifier.AltModifier)
        for title in titles[1:]:
            self._qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None)
            menu = QApplication.activePopupWidget()
            wanted = _entry(menu, title)
            for _ in menu.actions():
                if menu.activeAction() == wanted:
                    break
                QTest.keyClick(menu, Qt.Key.Key_Down)
            assert menu.activeAction() == wanted
            QTest.keyClick(menu, Qt.Key.Key_Return)

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key; Qt finds out, as for a real keyboard, what gets it."""
        QTest.keyClick(self._window.windowHandle(), key, modifier)

    def tab_to(self, widget: QWidget, backwards: bool = False) -> None:
        """Press Tab, or Shift and Tab, until a widget has the focus and has been scrolled to."""
        held = Qt.KeyboardModifier.ShiftModifier if backwards else Qt.KeyboardModifier.NoModifier
        self._qtbot.waitUntil(lambda: widget.isVisible() and widget.isEnabled(), timeout=5_000)
        for _ in range(_MOST_TABS):
            focused = QApplication.focusWidget()
            if focused is not None and (focused == widget or widget.isAncestorOf(focused)):
                break
            self.key(Qt.Key.Key_Backtab if backwards else Qt.Key.Key_Tab, held)
        else:
            raise AssertionError(f"Tab does not lead to {widget}")
        assert widget.visibleRegion().contains(widget.rect().center())

    def press_by_keys(self, button: QWidget, key) -> None:
        """Go to a button with Tab and press it by Space or Enter."""
        self.tab_to(button)
        self.key(key)

    def type(self, text: str) -> None:
        """Type in place of what is in the field that has the focus."""
        self.key(Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        for letter in text:
            QTest.keyClick(self._window.windowHandle(), letter)

    def answer_with_folder(self, folder) -> None:
        """Have the next file dialog answered: type a folder and press Enter.

        To be called before the button is pressed that opens the dialog, because that returns only
        after it is closed.
        """
        watch = QTimer(self._window)

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                return
            watch.stop()
            watch.deleteLater()
            name = dialog.findChild(QLineEdit, "fileNameEdit")
            name.selectAll()
            # Not faster: the dialog's own completion would lose track and return a parent folder.
            QTest.keyClicks(name, str(folder), delay=_KEY_MILLISECONDS)
            self._qtbot.waitUntil(lambda: dialog.selectedFiles() == [str(folder)])
            QTest.keyClick(name, Qt.Key.Key_Return)

        watch.timeout.connect(look)
        watch.start(50)


def _entry(menu: QWidget, title: str) -> QAction:
    names = {action.text().replace("&", ""): action for action in menu.actions()}
    assert title in names, f"{title} is not among {list(names)}"
    return names[title]


def _scroll_area(widget: QWidget) -> QScrollArea | None:
    """Return the outermost scroll area around a widget, which is its dock's."""
    found, parent = None, widget.parentWidget()
    while parent is not None:
        found = parent if isinstance(parent, QScrollArea) else found
        parent = parent.parentWidget()
    return found


def _turn_wheel(view: QWidget, angle: int) -> None:
    middle = QPointF(view.rect().center())
    event = QWheelEvent(
        middle,
        view.mapToGlobal(middle),
        QPoint(0, 0),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)
