"""Running a function off the GUI thread and hearing of its end on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from napari.utils.notifications import show_error
from qtpy.QtCore import QCoreApplication, QEventLoop, QObject, QTimer, Signal

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class BackgroundTask(QObject):
    """Runs one function at a time in a thread; its errors become notifications.

    Parameters
    ----------
    parent
        The widget that it works for; nothing is delivered once that is gone.
    """

    busy_changed = Signal(bool)
    failed = Signal(str)
    # Queued to the GUI thread by Qt, because they are emitted in another one.
    _ended = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread: Thread | None = None
        self._on_done: Callable[[Any], None] | None = None
        self._ended.connect(self._deliver)

    @property
    def is_busy(self) -> bool:
        """Whether a function is running or its end was not delivered yet."""
        return self._thread is not None

    def run(self, function: Callable[[], Any], on_done: Callable[[Any], None]) -> None:
        """Start a function; ``on_done`` gets what it returns, on the GUI thread.

        Does nothing while another one runs.
        """
        if self.is_busy:
            return
        self._on_done = on_done
        self._thread = Thread(target=self._work, args=(function,), daemon=True)
        self.busy_changed.emit(True)
        self._thread.start()

    def _work(self, function: Callable[[], Any]) -> None:
        value, failure = None, None
        try:
            value = function()
        except Exception as error:
            _logger.debug("a background task failed", exc_info=True)
            failure = error
        # The widget may have been closed in the meantime, and then nobody is interested.
        with suppress(RuntimeError):
            self._ended.emit(value, failure)

    def _deliver(self, value: Any, failure: Exception | None) -> None:
        self._thread = None
        self.busy_changed.emit(False)
        if failure is not None:
            message = str(failure) or type(failure).__name__
            self.failed.emit(message)
            show_error(message)
        elif self._on_done is not None:
            self._on_done(value)


def call_beside_gui(function: Callable[[], T]) -> T:
    """Return what a function returns, run in a thread while the GUI goes on reacting.

    For napari's calls that want their answer at once. Without a GUI it is a plain call.
    """
    if QCoreApplication.instance() is None:
        return function()
    outcome: list[T] = []
    failure: list[Exception] = []

    def work() -> None:
        try:
            outcome.append(function())
        except Exception as error:
            failure.append(error)

    thread = Thread(target=work, daemon=True)
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: None if thread.is_alive() else loop.quit())
    thread.start()
    timer.start(20)
    loop.exec()
    timer.stop()
    if failure:
        raise failure[0]
    return outcome[0]
