"""A batch that is watched: its table, its log, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.batch.command import read_command
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.batches.handing import hand_over
from napari_deltamic.plugin.batches.paths import breakable
from napari_deltamic.plugin.batches.results import ItemResult, add_result, read_result
from napari_deltamic.plugin.batches.table import BatchTable
from napari_deltamic.plugin.batches.watch import Look, Watch
from napari_deltamic.plugin.latest_task import LatestTask
from napari_deltamic.plugin.widgets import MessageLabel

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.live_view import LiveView

_BETWEEN_LOOKS, _STEPS, _LOG_HEIGHT = 1000, 1000, 130


class WatchPanel(QWidget):
    """Looks at a folder every second, off the GUI's thread.

    Attributes
    ----------
    seen
        How the batch stood last; None while none is watched.
    """

    looked = Signal()
    """It was looked at anew."""

    def __init__(self, viewer: Viewer, view: LiveView) -> None:
        super().__init__()
        self._viewer, self._view = viewer, view
        self._watch: Watch | None = None
        self.seen: Look | None = None
        self._looks, self._opening = LatestTask(self), BackgroundTask(self)
        self._timer = QTimer(self)
        self.choose = QPushButton("Watch a folder...")
        self.where, self.bar = QLabel(), QProgressBar()
        self.table, self.words = BatchTable(), QLabel()
        self.open, self.show_log = QPushButton("Open result"), QPushButton("Show log")
        self.stop, self.again = QPushButton("Stop"), QPushButton("Retry failed")
        self.log, self.message = QPlainTextEdit(), MessageLabel()
        self._lay_out()
        self._connect()
        self._enable()

    def _lay_out(self) -> None:
        self.where.setWordWrap(True)
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.bar.setToolTip("How much of the batch is done")
        self.words.setWordWrap(True)
        self.log.setReadOnly(True)
        self.log.setFixedHeight(_LOG_HEIGHT)
        self.log.setAccessibleName("Log")
        self.log.setTabChangesFocus(True)
        # As in a terminal, so that columns stand below one another.
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.log.setToolTip("What the program printed: for the marked stack, or for all")
        self.show_log.setCheckable(True)
        self.choose.setToolTip(
            "Watch a batch that was begun elsewhere: at the command line, on a cluster, or before "
            "napari was restarted"
        )
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for number, button in enumerate((self.open, self.show_log, self.stop, self.again)):
            buttons.addWidget(button, number // 2, number % 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.choose, self.where, self.bar):
            column.addWidget(widget)
        column.addWidget(self.table, stretch=1)
        column.addWidget(self.words)
        column.addLayout(buttons)
        column.addWidget(self.log)
        column.addWidget(self.message)

    def _connect(self) -> None:
        self.choose.clicked.connect(self._choose)
        self.table.selected.connect(self._on_selected)
        self.table.opened.connect(self._open)
        self.open.clicked.connect(self._open)
        self.show_log.toggled.connect(self._on_log)
        self.stop.clicked.connect(self._stop)
        self.again.clicked.connect(self._run_again)
        self._opening.busy_changed.connect(self._on_opening)
        self._opening.failed.connect(self._refuse)
        self._timer.setInterval(_BETWEEN_LOOKS)
        self._timer.timeout.connect(self._look)

    @property
    def path(self) -> Path | None:
        """The folder that is watched."""
        return None if self._watch is None else self._watch.path

    def watch(self, path: Path, was_handed_over: bool = False) -> None:
        """Watch a folder from now on."""
        self._watch, self.seen = Watch(path, was_handed_over), None
        self.message.say("")
        # The end says which one it is; the whole would take lines of a narrow dock.
        parts = path.parts
        shown = str(path) if len(parts) < 4 else str(Path("\N{HORIZONTAL ELLIPSIS}", *parts[-2:]))
        self.where.setText(breakable(shown))
        self.where.setToolTip(f"The folder that the batch writes into: {path}")
        self._timer.start()
        self._look()

    def end(self) -> None:
        """Look no more; the batch goes on."""
        self._timer.stop()

    def _choose(self) -> None:
        start = str(self.path or Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "Folder of a batch", start)
        if chosen:
            self.watch(Path(chosen))

    def _look(self) -> None:
        watch, item = self._watch, self.table.item()
        if watch is None or self._looks.is_busy:
            return
        name = None if item is None else item.name

        def show(look: Look) -> None:
            if watch is self._watch:
                self._show(look)

        self._looks.run(lambda: watch.look(name), show)

    def _show(self, look: Look) -> None:
        before, self.seen = self.seen, look
        self.table.batch.show(look.state.items)
        self.bar.setRange(0, 0 if look.is_starting else _STEPS)
        self.bar.setValue(int(_STEPS * look.state.progress))
        if self.log.isVisibleTo(self) and self.log.toPlainText() != look.log:
            bar = self.log.verticalScrollBar()
            was_at_end = bar.value() >= bar.maximum() - 1
            self.log.setPlainText(look.log)
            if was_at_end:
                bar.setValue(bar.maximum())
        self._enable()
        self.looked.emit()
        if before is not None and before.is_running and not look.is_running:
            name = "" if self.path is None else self.path.name
            show_info(f"The batch {name!r} has ended. {look.said().sentence}")

    def _on_selected(self) -> None:
        self._enable()
        if self.log.isVisibleTo(self):
            self.log.setPlainText("")
            self._look()

    def _on_log(self, is_shown: bool) -> None:
        self._enable()
        if self.seen is not None:
            self.log.setPlainText(self.seen.log)
            self.log.verticalScrollBar().setValue(self.log.verticalScrollBar().maximum())

    def _enable(self) -> None:
        look, item = self.seen, self.table.item()
        has_batch = self._watch is not None
        for widget in (self.where, self.bar, self.table, self.open, self.show_log):
            widget.setVisible(has_batch)
        for widget in (self.stop, self.again):
            widget.setVisible(has_batch)
        self.log.setVisible(has_batch and self.show_log.isChecked())
        # The log says more, and there is not the height for both.
        has_words = item is not None and bool(item.words) and not self.show_log.isChecked()
        self.words.setVisible(has_batch and has_words)
        self.words.setText("" if item is None else breakable(f"{item.name}: {item.words}"))
        is_done = item is not None and item.standing == "done"
        self.open.setEnabled(is_done and not self._opening.is_busy)
        self.open.setToolTip(
            "Add its stack and its meshes to the viewer"
            if is_done
            else "Mark a stack in the table that is done"
        )
        of = "the batch" if item is None else item.name
        self.show_log.setToolTip(f"What the program printed for {of}; mark another stack for its")
        can_stop = look is not None and look.state.is_running and not look.state.is_stopping
        self.stop.setEnabled(can_stop)
        self.stop.setToolTip(
            "End the batch; fits that run keep the best they have, and can be gone on with"
            if can_stop
            else "No batch runs in this folder, or it is being stopped or starting"
        )
        can_again = look is not None and look.can_run_again
        self.again.setEnabled(can_again)
        self.again.setText("Retry failed" if look is None else look.run_again)
        self.again.setToolTip(self._tip_of_again(look))

    def _tip_of_again(self, look: Look | None) -> str:
        if look is not None and look.can_run_again:
            return "Run the same batch again: what is done stays, the rest is done or gone on with"
        if look is not None and look.is_running:
            return "The batch is running"
        if look is not None and look.state.items and not look.has_command:
            return "This batch was begun by a script; run that again"
        return "There is nothing left to do"

    def _stop(self) -> None:
        if self._watch is None:
            return
        try:
            self._watch.folder.stop()
        except OSError as error:
            self._refuse(f"the batch cannot be stopped from here: {error}")
        self._look()

    def _run_again(self) -> None:
        path = self.path
        words = None if path is None else read_command(path)
        if path is None or words is None:
            return
        try:
            hand_over(words, path)
        except (ValueError, OSError) as error:
            self._refuse(str(error))
            return
        self.watch(path, was_handed_over=True)

    def _open(self) -> None:
        path, item = self.path, self.table.item()
        if path is None or item is None or self._opening.is_busy:
            return
        if item.standing != "done":
            self.message.say(f"{item.name} is {item.standing}: there is no result to open yet.")
            return
        name = item.name
        self._opening.run(lambda: read_result(path, name), self._add)

    def _on_opening(self, is_busy: bool) -> None:
        self.message.say("Reading the result..." if is_busy else "")
        self._enable()

    def _refuse(self, text: str) -> None:
        self.message.say(breakable(text), warning=True)

    def _add(self, result: ItemResult) -> None:
        add_result(self._viewer, self._view, result)
        self.message.say(f"{result.name} and its mesh were added to the viewer.")
