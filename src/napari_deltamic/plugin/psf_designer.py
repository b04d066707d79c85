"""The *PSF designer* dock: what a point of light becomes in this microscope.

What the dock shows is what the next fit uses; there is nothing to apply.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFrame, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_beads import BeadsPage, Matched, Measured, matched, measured
from napari_deltamic.plugin.psf_choice import GAUSSIAN, MEASURED, PsfChoice, choice_of
from napari_deltamic.plugin.psf_drawing import Sections, Transfer, Volume, volume
from napari_deltamic.plugin.psf_form import Lists, PsfForm, load_lists
from napari_deltamic.plugin.psf_layer import add_psf_layer
from napari_deltamic.plugin.psf_numbers import MODALITIES, in_words
from napari_deltamic.plugin.psf_renderer import PsfRenderer
from napari_deltamic.plugin.psf_views import PsfViews
from napari_deltamic.plugin.psf_words import learned_report, sampling
from napari_deltamic.plugin.widgets import Dock, MessageLabel

if TYPE_CHECKING:
    import numpy as np
    from napari.viewer import Viewer

    from napari_deltamic.fitting import FitResult
    from napari_deltamic.optics.bead_average import BeadMeasurement
    from napari_deltamic.optics.match_result import MatchProgress
    from napari_deltamic.plugin.spatial import Placement

PLUGIN = "napari-deltamic"
_FILES = "PSF (*.json)"
# Of the form, so that the dock keeps its width from one microscope to the next.
_FORM_WIDTH = 356


class PsfDesigner(Dock):
    """Describes a PSF, shows it live and hands it to the next fit."""

    # Queued to the GUI thread by Qt, because it is emitted in another one.
    _match_advanced = Signal(object)

    def __init__(self, napari_viewer: Viewer) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view)
        self._viewer = napari_viewer
        self._session = view.session
        self._renderer = PsfRenderer(self)
        self._task, self._loading = BackgroundTask(self), BackgroundTask(self)
        self._is_ours = False
        self._valid: PsfChoice | None = None
        self._drawn: tuple[Sections, Transfer | None] | None = None
        self._measured: PsfChoice | None = None
        self._beads: BeadMeasurement | None = None
        self._stop_match: Event | None = None
        self._learned: FitResult | None = None
        self.image = ImageChooser(napari_viewer, self._session)
        self.form = PsfForm()
        self.beads = BeadsPage()
        self.problem, self.advice, self.used = MessageLabel(), MessageLabel(), MessageLabel()
        self.report, self.learned = MessageLabel(), MessageLabel()
        self.take_learned = QPushButton("Take the learned PSF")
        self.views = PsfViews()
        self.load, self.save = QPushButton("Load..."), QPushButton("Save...")
        self.to_layer, self.to_fit = QPushButton("Show as layer"), QPushButton("Use in a fit")
        self._lay_out()
        self._connect()
        self._offer_learned(self._session.result)
        if engine.optics_are_loaded():
            self._begin(load_lists())
        else:
            self.used.say("Loading...")
            self.form.setEnabled(False)
            self._loading.run(load_lists, self._begin)

    def _lay_out(self) -> None:
        for part in (self.image, self.form, self.beads, self.report, self.learned):
            self.content.addWidget(part)
        self.content.addWidget(self.take_learned)
        self.form.setMinimumWidth(_FORM_WIDTH)
        buttons = QGridLayout()
        for place, (button, tip) in enumerate(
            (
                (self.load, "Open a PSF that was saved before, here or by the command line"),
                (self.save, "Write this PSF to a .json file"),
                (self.to_layer, "Add this PSF to the layers, as a stack with its voxel size"),
                (self.to_fit, "This PSF is what the next fit uses: open the Fit dock"),
            )
        ):
            button.setToolTip(tip)
            buttons.addWidget(button, place // 2, place % 2)
        self.content.addLayout(buttons)
        # Below what scrolls, so that the pictures stay in sight of every slider.
        below = QWidget()
        column = QVBoxLayout(below)
        column.setContentsMargins(9, 4, 9, 4)
        column.setSpacing(4)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        for part in (line, self.problem, self.views, self.advice, self.used):
            column.addWidget(part)
        self.layout().addWidget(below)

    def _connect(self) -> None:
        self.form.edited.connect(self._on_edited)
        self.form.one_voxel.clicked.connect(lambda: self._session.choose_psf(None))
        self.beads.measure_wanted.connect(self._measure)
        self.beads.match_wanted.connect(self._match)
        self.beads.cancel_wanted.connect(self._cancel_match)
        self._match_advanced.connect(self._show_advance)
        self.load.clicked.connect(self._choose_file)
        self.save.clicked.connect(self._choose_target)
        self.to_layer.clicked.connect(self._add_layer)
        self.to_fit.clicked.connect(self._open_fit_dock)
        self.take_learned.clicked.connect(self._take_learned)
        self._task.busy_changed.connect(self._on_busy)
        self._task.failed.connect(self._on_failed)
        self._renderer.drawn.connect(self._show)
        self._renderer.refused.connect(self._on_refused)
        self._session.finished.connect(self._offer_learned)

    def _begin(self, lists: Lists) -> None:
        self.form.setEnabled(True)
        self.form.fill(lists)
        self._session.psf_changed.connect(self._follow)
        self.image.changed.connect(self._on_image)
        self._follow()

    def _placement(self) -> Placement | None:
        try:
            return self.image.source().placement
        except ValueError:
            return None

    def _spacing(self) -> NDArray[np.float64] | None:
        placement = self._placement()
        return None if placement is None else placement.spacing

    def _current(self) -> PsfChoice | None:
        """Return what the next fit uses; None while that is one voxel of no image."""
        placement = self._placement()
        if placement is None:
            return self._session.psf_choice
        return self._session.psf_for(placement)

    def _on_edited(self) -> None:
        """Make what the form says the PSF of the next fit."""
        self._enable()
        self.report.say("")
        try:
            if not self.form.is_measured:
                self._choose(self.form.choice())
            elif self._measured is not None:
                self._choose(self._measured)
            else:
                self._renderer.forget()
                self._refuse("Nothing was measured yet: load a PSF, or choose an image of beads.")
        except ValueError as error:
            self._renderer.forget()
            self._refuse(str(error))

    def _choose(self, choice: PsfChoice) -> None:
        self._set_session(choice)
        self._renderer.draw(choice)

    def _set_session(self, choice: PsfChoice | None) -> None:
        self._is_ours = True
        try:
            self._session.choose_psf(choice)
        finally:
            self._is_ours = False

    def _follow(self) -> None:
        """Show the session's PSF, whoever chose it."""
        if not self._is_ours:
            current = self._current()
            self.form.enable_widths(current is not None or bool(self._session.psf_choice))
            if current is not None:
                if current.class_name == MEASURED and current is not self._measured:
                    self._measured, self._beads = current, None
                    self.report.say("")
                self.form.show_choice(current)
                self._renderer.draw(current)
        self._enable()
        self._say_used()

    def _on_image(self) -> None:
        if self._session.psf_choice is None and self.form.kind.class_name == GAUSSIAN:
            self._follow()
        self.form.enable_widths(self._current() is not None)
        self._judge()
        self._say_used()

    def _show(self, choice: PsfChoice, found: Sections | Transfer) -> None:
        if isinstance(found, Sections):
            self._valid = choice
            self._drawn = found, None
            self.problem.say("")
            self.views.set_stale(False)
            self.views.show_sections(found)
            self._say_used()
        elif self._drawn is not None:
            self._drawn = self._drawn[0], found
        self._judge()

    def _judge(self) -> None:
        """Compare the image's voxels with what the PSF needs."""
        spacing = self._spacing()
        if self._drawn is None:
            return
        sections, transfer = self._drawn
        if transfer is not None:
            self.views.show_transfer(transfer, spacing)
        if spacing is None:
            self.advice.say("")
            return
        verdict = sampling(sections.nyquist, spacing)
        self.advice.say(verdict.text, good=verdict.is_good, warning=not verdict.is_good)

    def _on_refused(self, choice: PsfChoice, message: str) -> None:
        if self._session.psf_choice is choice:
            # The form keeps what was typed.
            self._set_session(self._valid)
        self._refuse(in_words(message))

    def _on_failed(self, message: str) -> None:
        """Say why something else than a PSF's numbers went wrong."""
        self.report.say("")
        self.problem.say(in_words(message), warning=True)

    def _refuse(self, message: str) -> None:
        """Say why the form describes no PSF."""
        self.views.set_stale(True)
        self.advice.say("")
        self.problem.say(message, warning=True)
        self._say_used(still=True)

    def _say_used(self, still: bool = False) -> None:
        current = self._current()
        if current is None:
            self.used.say("Choose an image, whose voxels are a first guess, or a microscope.")
            return
        guess = " (a guess: one voxel)" if self._session.psf_choice is None else ""
        verb = "still uses" if still else "uses"
        self.used.say(f"The next fit {verb}: <b>{current.summary()}</b>{guess}")

    def _on_busy(self, busy: bool) -> None:
        if not busy:
            self._stop_match = None
        self._enable()

    def _enable(self) -> None:
        idle, is_matching = not self._task.is_busy, self._stop_match is not None
        # The button that stops a fit stays in sight, whatever is looked at meanwhile.
        self.beads.setVisible(self.form.is_measured or is_matching)
        self.beads.measure.setEnabled(idle)
        self.beads.offer_match(idle and self._measured is not None)
        self.beads.offer_cancel(is_matching)
        for button in (self.load, self.save, self.to_layer):
            button.setEnabled(idle)

    def _measure(self) -> None:
        try:
            source = self.image.source()
        except ValueError as error:
            self._refuse(str(error))
            return
        diameter = self.beads.diameter.value()
        self._task.run(lambda: measured(source, diameter), self._show_measured)
        self.report.say("Measuring...")

    def _show_measured(self, found: Measured) -> None:
        from napari_deltamic.optics.width import SIGMA_OF_FWHM

        self._measured, self._beads = found.choice, found.beads
        self.form.set_widths(
            {
                f"sigma_{axis}": SIGMA_OF_FWHM * float(width)
                for axis, width in zip("zyx", found.beads.fwhm, strict=True)
            }
        )
        self._session.choose_psf(found.choice)
        self.report.say(found.report)

    def _match(self, title: str) -> None:
        kind = next(one for one in MODALITIES if one.title == title)
        try:
            start = self.form.choice(kind)
        except ValueError as error:
            self._refuse(str(error))
            return
        beads = self._beads or self._measured
        assert beads is not None
        stop = self._stop_match = Event()
        # Who closes the dock wants no result.
        self.destroyed.connect(lambda *_: stop.set())

        def tell(progress: MatchProgress) -> None:
            # The dock may have been closed in the meantime.
            with suppress(RuntimeError):
                self._match_advanced.emit(progress)

        self._task.run(lambda: matched(start, beads, tell, stop.is_set), self._show_matched)
        self.report.say("Fitting the model...")

    def _show_advance(self, progress: MatchProgress) -> None:
        if self._stop_match is not None and not self._stop_match.is_set():
            self.report.say(
                f"Fitting the model: step {progress.step}, {100 * progress.residual:.1f} % of the "
                "beads' light left over."
            )

    def _cancel_match(self) -> None:
        if self._stop_match is not None:
            self._stop_match.set()
            self.beads.cancel.setEnabled(False)
            self.report.say("Stopping...")

    def _show_matched(self, found: Matched | None) -> None:
        if found is None:
            self.report.say("Stopped; no model was fitted.")
            return
        self._session.choose_psf(found.choice)
        self.report.say(found.report)

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "PSF file", "", _FILES)
        if path:
            self.load_from(Path(path))

    def load_from(self, path: Path) -> None:
        """Read a PSF file in the background and use it."""

        def read() -> PsfChoice:
            from napari_deltamic.optics import load_psf

            return choice_of(load_psf(path))

        self._task.run(read, self._session.choose_psf)

    def _choose_target(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "PSF file", "psf.json", _FILES)
        if path:
            self.save_to(Path(path))

    def save_to(self, path: Path) -> None:
        """Write the PSF to a file in the background; .json is put behind a name without it."""
        current = self._current()
        if current is None:
            self._refuse("There is no PSF to save yet: choose an image or a microscope.")
            return
        target = path if path.suffix.lower() == ".json" else path.with_name(path.name + ".json")

        def write() -> Path:
            from napari_deltamic.optics import save_psf

            save_psf(current.make(), target)
            return target

        self._task.run(write, lambda written: show_info(f"PSF saved to {written}"))

    def _add_layer(self) -> None:
        current = self._current()
        if current is None:
            self._refuse("There is no PSF to show yet: choose an image or a microscope.")
            return
        self._task.run(lambda: volume(current), lambda found: self._add_image(current, found))

    def _add_image(self, choice: PsfChoice, found: Volume) -> None:
        placement = self._placement()
        source = None if placement is None else self.image.source()
        add_psf_layer(self._viewer, f"PSF {choice.summary()}", found, source)

    def _open_fit_dock(self) -> None:
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "Fit", tabify=True)

    def _offer_learned(self, result: FitResult | None) -> None:
        learned = [] if result is None else result.optics
        self._learned = result if learned else None
        self.learned.say(learned_report(learned) if learned else "")
        self.take_learned.setVisible(bool(learned))

    def _take_learned(self) -> None:
        if self._learned is None:
            return
        try:
            self._session.choose_psf(choice_of(self._learned.psf))
        except ValueError as error:
            show_error(str(error))
