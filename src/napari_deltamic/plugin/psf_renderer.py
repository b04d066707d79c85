"""Drawing a PSF off the GUI thread; only the latest that was asked for counts."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import QObject, QTimer, Signal

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.psf_choice import PsfChoice
from napari_deltamic.plugin.psf_drawing import Sections, Transfer, drawing

_PAUSE = 120
"""In ms."""


class PsfRenderer(QObject):
    """Draws one picture after the other and drops the rest when another PSF is asked for."""

    drawn = Signal(object, object)
    """Emits a PsfChoice and its Sections or Transfer."""
    refused = Signal(object, str)
    """Emits a PsfChoice and why it is none."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task = BackgroundTask(self)
        self._task.failed.connect(self._give_up)
        self._wanted: PsfChoice | None = None
        self._choice: PsfChoice | None = None
        self._pictures: Iterator[Sections | Transfer] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether pictures are still to come."""
        return self._wanted is not None or self._pictures is not None

    def draw(self, choice: PsfChoice) -> None:
        """Draw a PSF as soon as the picture under way is done."""
        self._wanted = choice
        self._go_on()

    def forget(self) -> None:
        """Draw no more of what was asked for."""
        self._wanted = self._pictures = None

    def _go_on(self) -> None:
        if self._task.is_busy:
            return
        if self._wanted is not None:
            self._choice, self._wanted = self._wanted, None
            self._pictures = drawing(self._choice)
        pictures = self._pictures
        if pictures is not None:
            self._task.run(lambda: _next_of(pictures), self._deliver)

    def _deliver(self, found: Sections | Transfer | str | None) -> None:
        if isinstance(found, str):
            self._pictures = None
            self.refused.emit(self._choice, found)
        elif found is None:
            self._pictures = None
        elif self._pictures is not None:
            self.drawn.emit(self._choice, found)
            if isinstance(found, Sections) and not found.is_final and self._wanted is None:
                # What follows takes longer, and a slider that moves would have to wait for it.
                QTimer.singleShot(_PAUSE, self._go_on)
                return
        self._go_on()

    def _give_up(self) -> None:
        self._pictures = None
        self._go_on()


def _next_of(pictures: Iterator[Sections | Transfer]) -> Sections | Transfer | str | None:
    """Return the next picture, None after the last, or what is wrong with the numbers."""
    try:
        return next(pictures, None)
    except ValueError as error:
        return str(error)
