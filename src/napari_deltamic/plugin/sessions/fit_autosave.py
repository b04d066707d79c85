"""Keeping each fit that a viewer runs, until it has ended."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.sessions.autosaves import (
    autosave_folder,
    begin,
    mark_ended,
    mark_running,
    prune,
)
from napari_deltamic.plugin.sessions.checkpoints import CHECKPOINT
from napari_deltamic.plugin.sessions.collect import snapshot
from napari_deltamic.plugin.sessions.files import write_session

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.fit_worker import Phase
    from napari_deltamic.plugin.live_view import LiveView

# Of an image that no file gives again; to read a lazy one whole would undo what it is for.
_MOST_BYTES = 1 << 29

_logger = logging.getLogger(__name__)


class FitAutosave(QObject):
    """Writes a session when a fit starts, and has the fit leave its checkpoints there.

    Attributes
    ----------
    folder
        Of the fit that runs; None if there is none.
    """

    def __init__(self, viewer: Viewer, view: LiveView) -> None:
        super().__init__(view)
        self.folder: Path | None = None
        self._viewer, self._view = viewer, view
        view.session.started.connect(self._on_started)
        view.session.phase_changed.connect(self._on_phase)

    def end(self) -> None:
        """Say that the fit needs no rescue any more, because it ended or was given up."""
        if self.folder is not None:
            mark_ended(self.folder)
        self.folder = None

    def _on_started(self) -> None:
        worker, fitted = self._view.session.worker, self._view.session.fitted
        if worker is None or fitted is None:
            # Movies keep their frames themselves.
            return
        # Of a fit that goes on with another mesh or other settings.
        self.end()
        if worker.checkpoint is not None:
            # It goes on from an autosave, which is whole already.
            self.folder = worker.checkpoint.parent
            mark_running(self.folder, fitted.source.name)
            return
        root = autosave_folder()
        if root is None or not self._view.session.preferences().keep_fits:
            return
        try:
            folder = begin(root, fitted.source.name)
        except OSError as error:
            show_warning(f"The fit is not kept in case napari ends early: {error}")
            return
        worker.checkpoint, self.folder = folder / CHECKPOINT, folder
        saved = snapshot(self._viewer, self._view, _MOST_BYTES)

        def write() -> None:
            try:
                write_session(folder, saved())
                prune(root)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise OSError(f"the fit runs, but is not kept: {reason}") from error

        # One task for each fit: the one before may still be writing.
        task = BackgroundTask(self)
        task.busy_changed.connect(lambda busy: None if busy else task.deleteLater())
        task.run(write, lambda _: _logger.debug("autosave in %s", folder))

    def _on_phase(self, phase: Phase) -> None:
        if phase.is_over:
            self.end()
