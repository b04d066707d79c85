"""Running the latest of many requests in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from napari_deltamic.plugin.background import BackgroundTask


class LatestTask(QObject):
    """Runs one function at a time; of those asked for meanwhile only the last comes next."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task = BackgroundTask(self)
        self._next: tuple[Callable[[], Any], Callable[[Any], None]] | None = None
        self._task.failed.connect(lambda _: self._go_on())

    @property
    def is_busy(self) -> bool:
        """Whether anything is left to do."""
        return self._task.is_busy

    def run(self, function: Callable[[], Any], on_done: Callable[[Any], None]) -> None:
        """Run a function now or next; ``on_done`` gets what it returns, on the GUI thread."""
        if self._task.is_busy:
            self._next = function, on_done
            return

        def done(value: Any) -> None:
            on_done(value)
            self._go_on()

        self._task.run(function, done)

    def forget(self) -> None:
        """Drop what waits."""
        self._next = None

    def _go_on(self) -> None:
        waiting, self._next = self._next, None
        if waiting is not None:
            self.run(*waiting)
