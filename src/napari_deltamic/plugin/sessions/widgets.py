"""The row of buttons for sessions, and the bar that offers to go on with a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.sessions.autosaves import (
    Interrupted,
    autosave_folder,
    discard,
    interrupted,
)
from napari_deltamic.plugin.theme import Colours, ThemeFollower

if TYPE_CHECKING:
    from napari_deltamic.plugin.live_view import LiveView

SAVE_KEYS, OPEN_KEYS = "Ctrl+Alt+Shift+S", "Ctrl+Alt+Shift+O"


class SessionRow(QWidget):
    """Buttons to save and open sessions and to repeat a fit elsewhere."""

    def __init__(self, view: LiveView) -> None:
        super().__init__()
        actions = self._actions = view.actions
        self._session = view.session
        self.save_button, self.open_button = QPushButton(), QPushButton()
        self.repeat_button, self.menu = QPushButton("Repeat fit  ▾"), QMenu(self)
        for button, text, tip, keys, action in (
            (
                self.save_button,
                "Save session...",
                "Layers, choices and result into a folder, to go on another day",
                SAVE_KEYS,
                actions.ask_and_save,
            ),
            (
                self.open_button,
                "Open session...",
                "Bring a saved session back, beside what is open",
                OPEN_KEYS,
                actions.ask_and_open,
            ),
        ):
            button.setText(text)
            button.setToolTip(f"{tip} ({QKeySequence(keys).toString()})")
            button.setShortcut(QKeySequence(keys))
            button.clicked.connect(lambda _=False, action=action: action(self))
        self.repeat_button.setToolTip("The last fit as a command line or a script, to copy")
        self.copy_line = self.menu.addAction("Copy command line", actions.copy_command_line)
        self.copy_script = self.menu.addAction("Copy Python script", actions.copy_script)
        self.repeat_button.clicked.connect(self._show_menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.save_button, self.open_button, self.repeat_button):
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            row.addWidget(button, stretch=1)
        self._session.started.connect(self._enable)
        self._session.phase_changed.connect(self._enable)
        self._session.finished.connect(self._enable)
        self._session.taken_up.connect(self._enable)
        actions.busy_changed.connect(self._enable)
        self._enable()

    def _show_menu(self) -> None:
        corner = self.repeat_button.rect().bottomLeft()
        # Not by setMenu, whose arrow napari's style draws over the text.
        self.menu.popup(self.repeat_button.mapToGlobal(corner))

    def _enable(self) -> None:
        is_free = not self._actions.is_busy
        self.save_button.setEnabled(is_free)
        self.open_button.setEnabled(is_free and not self._session.is_fitting)
        self.repeat_button.setEnabled(is_free and self._session.fitted is not None)


class RestoreBar(QFrame):
    """Says that a fit was cut off and offers to go on with it; hidden while there is none.

    Attributes
    ----------
    offered
        The fit it speaks of.
    """

    def __init__(self, view: LiveView) -> None:
        super().__init__()
        self.offered: Interrupted | None = None
        self._view, self._task = view, BackgroundTask(self)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.restore_button, self.discard_button = QPushButton("Restore and go on"), QPushButton()
        self.restore_button.setToolTip("Bring its layers and choices back and let the fit go on")
        self.discard_button.setText("Discard")
        self.discard_button.setToolTip("Remove what was kept of it")
        self.restore_button.clicked.connect(self._restore)
        self.discard_button.clicked.connect(self._discard)
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore_button, stretch=2)
        buttons.addWidget(self.discard_button, stretch=1)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 8)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self._theme = ThemeFollower(self, self._colour)
        self.hide()
        view.session.started.connect(self._on_started)
        self._look()

    def _look(self) -> None:
        root = autosave_folder()
        if root is not None:
            self._task.run(lambda: interrupted(root), self._offer)

    def _offer(self, found: list[Interrupted]) -> None:
        self.offered = found[0] if found and not self._view.session.is_fitting else None
        if self.offered is not None:
            more = f" {len(found) - 1} more after this." if len(found) > 1 else ""
            self.text.setText(self.offered.sentence + more)
        self.setVisible(self.offered is not None)

    def _colour(self, colours: Colours) -> None:
        self.setStyleSheet(
            f"RestoreBar {{ {colours.warning} border-radius: 3px; }}"
            f"RestoreBar QLabel {{ {colours.warning} }}"
        )

    def _on_started(self) -> None:
        self.hide()

    def _restore(self) -> None:
        if self.offered is not None and not self._view.actions.go_on(self.offered.folder):
            # Another window was faster.
            self._look()
        else:
            self.hide()

    def _discard(self) -> None:
        offered, root = self.offered, autosave_folder()
        if offered is None or root is None:
            return

        def act() -> list[Interrupted]:
            discard(offered.folder)
            return interrupted(root)

        self._task.run(act, self._offer)
