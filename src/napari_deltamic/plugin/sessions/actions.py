"""Saving and opening sessions, going on with interrupted fits, repeating them: what buttons do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.repeat import FitFiles
from napari_deltamic.plugin.sessions.autosaves import RUNNING, claim, is_taken
from napari_deltamic.plugin.sessions.checkpoints import CHECKPOINT
from napari_deltamic.plugin.sessions.collect import snapshot
from napari_deltamic.plugin.sessions.files import MAIN_FILE, SUFFIX, check_folder, write_session
from napari_deltamic.plugin.sessions.repeat_files import write_fit_files
from napari_deltamic.plugin.sessions.restore import OpenedSession, opened, restore

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.live_view import LiveView

_FOR_REPEATING = "repeat"


class SessionActions(QObject):
    """What can be done with the session of one viewer, one thing at a time.

    Attributes
    ----------
    folder
        Where the session was saved or opened last; None before.
    """

    busy_changed = Signal(bool)

    def __init__(self, viewer: Viewer, view: LiveView) -> None:
        super().__init__(view)
        self.folder: Path | None = None
        self._viewer, self._view = viewer, view
        self._task = BackgroundTask(self)
        self._task.busy_changed.connect(self.busy_changed)

    @property
    def is_busy(self) -> bool:
        """Whether a session is being written or read."""
        return self._task.is_busy

    def ask_and_save(self, parent: QWidget | None = None) -> None:
        """Ask for a folder and save the session there."""
        name = self._view.session.image_name or "session"
        start = self.folder or Path.home() / f"{name.replace('/', '-')}{SUFFIX}"
        chosen, _ = QFileDialog.getSaveFileName(
            parent, "Save the session in a folder", str(start), f"Sessions (*{SUFFIX})"
        )
        if chosen:
            self.save(session_folder(Path(chosen)))

    def ask_and_open(self, parent: QWidget | None = None) -> None:
        """Ask for a session folder and open it."""
        start = self.folder.parent if self.folder is not None else Path.home()
        chosen = QFileDialog.getExistingDirectory(parent, "Open a session folder", str(start))
        if chosen:
            self.open(Path(chosen))

    def save(self, folder: Path) -> None:
        """Write the session into a folder, in the background."""

        def act() -> None:
            check_folder(folder)
            saved = snapshot(self._viewer, self._view)

            def done(_: None) -> None:
                self.folder = folder
                movie = self._view.session.movie_result is not None
                also = "; it does not hold the frames of the fitted movie" if movie else ""
                show_info(f"Session saved to {folder}{also}")

            self._run(lambda: write_session(folder, saved()), done)

        self._try(act)

    def open(self, folder: Path) -> None:
        """Bring a session back beside what is in the viewer; a fit that was cut off goes on."""

        def act() -> None:
            if self._view.session.is_fitting:
                raise ValueError("a fit is running; stop it before opening a session")
            if is_taken(folder):
                raise ValueError(f"{folder} is the autosave of a fit that runs; let it end first")
            self._run(lambda: opened(folder), lambda found: self._bring_back(found, folder))

        self._try(act)

    def go_on(self, folder: Path) -> bool:
        """Bring back a fit that ended with its napari; False if another one did so before."""
        if self._view.session.is_fitting or self._task.is_busy:
            show_error("something else is going on; wait for its end before restoring a fit")
            return True
        if not claim(folder):
            return False
        self.open(folder)
        return True

    def copy_command_line(self) -> None:
        """Put the last fit on the clipboard as a command line."""
        from napari_deltamic.plugin.repeat import command_line

        self._copy(command_line, "Command line")

    def copy_script(self) -> None:
        """Put the last fit on the clipboard as a Python script."""
        from napari_deltamic.plugin.repeat import python_script

        self._copy(python_script, "Python script")

    def _copy(self, form: Callable[[FitFiles], str], what: str) -> None:
        def act() -> None:
            fit = self._view.session.fitted
            if fit is None:
                raise ValueError(
                    "there is no fit to repeat yet; press Fit first. Movies: napari-deltamic "
                    "timelapse --help"
                )
            layers = self._viewer.layers
            path = layers[fit.source.name].source.path if fit.source.name in layers else None
            folder = self._folder_for_files()
            if folder is None:
                return

            def text() -> str:
                return form(write_fit_files(fit, path, folder))

            def done(found: str) -> None:
                QGuiApplication.clipboard().setText(found)
                show_info(f"{what} copied; its files are in {folder}")

            self._run(text, done)

        self._try(act)

    def _folder_for_files(self) -> Path | None:
        """Return a folder for the files of a command: the session's, or one that is asked for."""
        if self.folder is not None:
            return self.folder / _FOR_REPEATING
        chosen = QFileDialog.getExistingDirectory(None, "Folder for the files of the command")
        return Path(chosen) if chosen else None

    def _run(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        if self._task.is_busy:
            raise ValueError("a session is still being saved or opened; try again when it is done")
        self._task.run(function, done)

    def _bring_back(self, found: OpenedSession, folder: Path) -> None:
        pieces = restore(self._viewer, self._view, found)
        self._in_pieces(pieces, lambda: self._on_restored(found, folder))

    def _on_restored(self, found: OpenedSession, folder: Path) -> None:
        for problem in found.problems:
            show_warning(problem)
        if found.saved.movie_folder is not None:
            kept = found.saved.movie_folder or "memory only, and are gone"
            show_info(f"Of a fitted movie the session has the choices; its frames are in {kept}")
        is_autosave = (folder / CHECKPOINT).is_file() or (folder / RUNNING).is_file()
        if found.saved.result is not None or not is_autosave:
            self.folder = folder
            return
        fit = self._view.session.fitted
        if fit is None or not found.can_go_on:
            raise ValueError("the fit cannot go on, because its image could not be brought back")
        self._view.make_room(fit.source)
        self._view.session.start_from(fit, folder / CHECKPOINT)

    def _in_pieces(self, pieces: Iterator[None], done: Callable[[], None]) -> None:
        """Run a generator a piece at a time, so that the window reacts in between."""

        def step() -> None:
            try:
                next(pieces)
            except StopIteration:
                self._try(done)
            except (ValueError, RuntimeError) as error:
                show_error(str(error))
            else:
                QTimer.singleShot(0, step)

        step()

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except (ValueError, RuntimeError, OSError) as error:
            show_error(str(error))


def session_folder(chosen: Path) -> Path:
    """Return the folder that a user means who chose a name in a dialog for files."""
    if (chosen.parent / MAIN_FILE).is_file():
        # They went into the folder of an earlier session.
        return chosen.parent
    return chosen if chosen.suffix == SUFFIX else chosen.with_name(chosen.name + SUFFIX)
