"""The *Fit* dock: choose, press Fit, watch, pause, stop, save."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Surface
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
)

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.automatic_edge import AutomaticEdge
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.edit_panel import EditPanel
from napari_deltamic.plugin.fit_progress import FitProgress
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.inspect_fold import InspectFold
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.movie_options import MovieOptions, movie_source
from napari_deltamic.plugin.movie_worker import MovieWorker
from napari_deltamic.plugin.preferences import follow
from napari_deltamic.plugin.sessions.widgets import RestoreBar
from napari_deltamic.plugin.settings_form import MAIN_FIELDS, SettingsForm
from napari_deltamic.plugin.steering import FINE_STAGES, going_on
from napari_deltamic.plugin.widgets import Dock, LayerChooser, MessageLabel, count_of, with_button

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.fitting import FitResult
    from napari_deltamic.plugin.fit_worker import FitWorker
    from napari_deltamic.timelapse import TimelapseResult

PLUGIN = "napari-deltamic"
# The guide suggests them.
MAIN_STEP_FIELDS = ("label", "noise")

_STATUS = {
    Phase.PREPARING: "Preparing kernels (the first run on a computer takes up to a minute)...",
    Phase.RUNNING: "Fitting",
    Phase.PAUSED: "Paused. Change the mesh, settings or optics, or just press Resume.",
    Phase.STOPPING: "Stopping...",
}


class FitDock(Dock):
    """Starts, shows and ends fits."""

    def __init__(self, napari_viewer: Viewer, is_step: bool = False) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view, is_step=is_step)
        self._viewer = napari_viewer
        self._session = view.session
        self._saving = BackgroundTask(self)
        self._saving.busy_changed.connect(self._enable)
        self._asking = BackgroundTask(self)
        engine.prepare_in_background()

        self.image = ImageChooser(napari_viewer, self._session)
        self.mesh = LayerChooser(napari_viewer, Surface, "make a seed mesh first")
        self.mesh.setToolTip("Where the fit starts: a closed surface near each object")
        self.movie = MovieOptions()
        main = MAIN_STEP_FIELDS if is_step else MAIN_FIELDS
        self.form = SettingsForm(self._session.settings, main)
        self.fit_button = QPushButton("Fit")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop")
        self.save_button = QPushButton("Save result...")
        self.psf_label = QLabel()
        self.psf_label.setWordWrap(True)
        self.device = MessageLabel()
        self.status = MessageLabel()
        self.progress = FitProgress(self._session, view.inspection)
        self.inspect = InspectFold(view.inspection)
        self.edit = EditPanel(napari_viewer, view, self.mesh, self.image.source)
        self.fine = QCheckBox("Fine stages only")
        self.fine.setToolTip(
            "Begin with the last two stages, for a mesh that is nearly right: the coarse ones "
            "would blur it first"
        )
        self.fine.setChecked(True)
        self._other_mesh: Surface | None = None
        self._going_on = ""
        self._seed: Surface | None = None
        self._is_allowed = True
        self._lay_out()
        self._connect()
        self._choose_mesh(self._session.mesh_name)
        self._show_psf()
        self._on_image()
        self._ask_for_device()
        self._enable()
        self.status.say("Ready: choose an image and a mesh, then press Fit.")
        worker = self._session.worker
        if worker is not None and self._session.is_fitting:
            # The dock was closed and opened again meanwhile.
            self.progress.show_phase(worker.phase)
            self._on_phase(worker.phase)

    def _lay_out(self) -> None:
        if not self.is_step:
            self.restore_bar = RestoreBar(self._view)
            self.content.addWidget(self.restore_bar)
        self.content.addWidget(self.image)
        form = QFormLayout()
        if self.is_step:
            self.image.hide()
            self.status.is_elsewhere = True
            form.addRow("Start from", self.mesh)
        else:
            form.addRow("Mesh", with_button(self.mesh, "Seed...", self._open_seed_dock))
            form.addRow("PSF", with_button(self.psf_label, "Edit...", self._open_psf_dock))
        self.content.addLayout(form)
        self.content.addWidget(self.fine)
        self.content.addWidget(self.movie)
        self.content.addWidget(self.form)
        buttons = QHBoxLayout()
        for button, tip in (
            (self.fit_button, "Move the mesh until its rendering explains the image"),
            (self.pause_button, "Hold the fit; press again to go on"),
            (self.stop_button, "End the fit and keep the best mesh so far"),
        ):
            button.setToolTip(tip)
            button.setMinimumHeight(30)
            buttons.addWidget(button)
        self.content.addLayout(buttons)
        self.content.addWidget(self.status)
        self.content.addWidget(self.device)
        self.content.addWidget(self.progress)
        self.content.addWidget(self.inspect)
        self.content.addWidget(self.edit)
        self.save_button.setToolTip("Mesh, measures, rendering and settings, into a folder")
        self.content.addWidget(self.save_button)

    def _connect(self) -> None:
        self.fit_button.clicked.connect(self._start)
        self.pause_button.clicked.connect(self._pause_or_resume)
        self.stop_button.clicked.connect(self._session.stop)
        self.save_button.clicked.connect(self._choose_folder)
        self.image.changed.connect(self._show_psf)
        self.image.changed.connect(self._on_image)
        backend = self.form.fields["backend"]
        backend.changed.connect(self._ask_for_device)
        self._automatic = AutomaticEdge(self.form, self.image, self._session)
        follow("backend", lambda value: setattr(backend, "value", value), self)
        # Only what the user chooses: the list also changes while a closing viewer drops its layers.
        self.mesh.activated.connect(self._show_seed)
        self.mesh.activated.connect(self._take_other_mesh)
        self.mesh.layer_changed.connect(self._enable)
        self._viewer.layers.events.renamed.connect(self._on_renamed)
        session = self._session
        self.form.changed.connect(self._keep_settings)
        session.taken_up.connect(self._show_settings)
        session.mesh_changed.connect(self._choose_mesh)
        session.psf_changed.connect(self._show_psf)
        session.started.connect(self._on_started)
        session.phase_changed.connect(self._on_phase)
        session.advanced.connect(self._on_state)
        session.finished.connect(self._on_finished)
        session.movie_finished.connect(self._on_movie_finished)
        session.failed.connect(self._on_failed)

    def _start(self) -> None:
        try:
            source = self.image.source()
            if self.mesh.layer is None:
                raise ValueError("choose a mesh: make one in the Seed mesh dock first")
            self.edit.check_done()
            mesh = mesh_from_layer(self.mesh.layer)
            self._session.settings = settings = self.form.settings()
            if self.movie.is_wanted:
                assert self.image.layer is not None
                movie = movie_source(self.image.layer, tuple(self._viewer.dims.point))
                self._session.start_movie(movie, mesh, self.movie.path, self.movie.goes_on)
            else:
                is_fine = self.fine.isChecked() and self._starts_from_fitted
                first_stage = max(settings.stages - FINE_STAGES, 0) if is_fine else 0
                self._session.start(source, mesh, first_stage)
        except (ValueError, RuntimeError) as error:
            self.status.say(str(error), warning=True)
            show_error(str(error))
            return
        self._seed = self.mesh.layer

    def _show_settings(self) -> None:
        self.form.show_settings(self._session.settings)

    def _keep_settings(self) -> None:
        # Numbers that do not go together are told of when Fit is pressed.
        with suppress(ValueError):
            self._session.settings = self.form.settings()

    def _pause_or_resume(self) -> None:
        worker = self._session.worker
        if worker is None or worker.phase is not Phase.PAUSED:
            self._session.pause()
            return
        try:
            self._resume(worker)
        except ValueError as error:
            self.status.say(str(error), warning=True)
            show_error(str(error))

    def _resume(self, worker: FitWorker) -> None:
        """Let the held fit go on, with what was changed meanwhile."""
        session, other = self._session, self._other_mesh
        self.edit.check_done()
        if session.fitted is None:
            # A movie goes on as it was.
            session.resume()
            return
        changed = going_on(
            session.fitted,
            worker.latest,
            self.form.settings(),
            session.psf_for(session.fitted.source.placement),
            session.corrected,
            None if other is None else mesh_from_layer(other),
        )
        if changed is None:
            session.resume()
            return
        self._going_on = changed.sentence
        session.settings = changed.given.settings
        session.go_on(changed.given)

    def _take_other_mesh(self) -> None:
        """Remember the mesh that is chosen while a fit is held."""
        is_own = self.mesh.layer is None or self.mesh.layer == self._view.surface
        self._other_mesh = self.mesh.layer if self._session.is_fitting and not is_own else None

    @property
    def _starts_from_fitted(self) -> bool:
        return self.mesh.layer is not None and self.mesh.layer == self._view.surface

    def _on_started(self) -> None:
        self._other_mesh, worker = None, self._session.worker
        if worker is None or not worker.done_before:
            self._going_on = ""

    def _on_phase(self, phase: Phase) -> None:
        if phase in _STATUS:
            text = _STATUS[phase]
            if phase is Phase.PREPARING and engine.is_ready():
                text = "Reading the image..."
            if phase in (Phase.PREPARING, Phase.RUNNING) and self._going_on:
                text = self._going_on
            self.status.say(text)
        self._enable()

    def _on_state(self) -> None:
        if self._seed is not None and self._seed != self._view.surface:
            # It would hide the surface that is being fitted.
            self._seed.visible = False
        self._seed = None

    def _on_finished(self, result: FitResult | None) -> None:
        if result is None:
            self.status.say("Stopped before the fit began.")
            return
        reason = result.stop_reason.rstrip(".")
        self.status.say(
            f"Done: {count_of(len(result.mesh.regions), 'region')}, {len(result.mesh.faces)} "
            f"faces. {reason[:1].upper()}{reason[1:]}."
        )

    def _on_movie_finished(self, result: TimelapseResult) -> None:
        done = count_of(len(result.frames), "frame")
        divisions = count_of(len(result.divisions), "division") if result.divisions else ""
        lost = f"lost: {', '.join(map(str, result.lost))}" if result.lost else ""
        parts = [part for part in (done, divisions, lost) if part]
        reason = result.stop_reason
        self.status.say(f"Done: {', '.join(parts)}. {reason[:1].upper()}{reason[1:]}.")

    def _on_image(self) -> None:
        self.movie.describe(self.image.layer)

    def _on_failed(self, message: str) -> None:
        self.status.say(f"Failed: {message}", warning=True)

    def _enable(self) -> None:
        session, worker = self._session, self._session.worker
        fitting = session.is_fitting
        phase = worker.phase if worker is not None and fitting else None
        self.fit_button.setEnabled(self._is_allowed and not fitting)
        self.pause_button.setEnabled(phase in (Phase.PREPARING, Phase.RUNNING, Phase.PAUSED))
        self.pause_button.setText("Resume" if phase is Phase.PAUSED else "Pause")
        self.stop_button.setEnabled(fitting and phase is not Phase.STOPPING)
        is_held = phase is Phase.PAUSED and not isinstance(worker, MovieWorker)
        for widget in (self.image, self.movie):
            widget.setEnabled(not fitting)
        for widget in (self.mesh, self.form):
            widget.setEnabled(not fitting or is_held)
        self.fine.setVisible(self._starts_from_fitted and not fitting)
        has_result = session.result is not None or session.movie_result is not None
        self.save_button.setEnabled(has_result and not fitting and not self._saving.is_busy)

    def allow(self, allowed: bool) -> None:
        """Let a fit be started, or say by a grey button that something is missing."""
        self._is_allowed = allowed
        self._enable()

    def _choose_mesh(self, name: str) -> None:
        if name in self._viewer.layers and not self._session.is_fitting:
            self.mesh.choose(self._viewer.layers[name])

    def _on_renamed(self, event: Any) -> None:
        """Keep to the seed when the user gives its layer another name."""
        layer = self._viewer.layers[event.index]
        if layer == self.mesh.layer and self._session.mesh_name not in self._viewer.layers:
            self._session.mesh_name = layer.name
            self.mesh.layer_changed.emit()

    def _show_seed(self) -> None:
        seed = self.mesh.layer
        if seed is None:
            return
        try:
            self._view.show_seed(seed, mesh_from_layer(seed), self.image.source().placement)
        except ValueError:
            # Said when Fit is pressed; a mere choice in a list is no mistake yet.
            return

    def _show_psf(self) -> None:
        try:
            placement = self.image.source().placement
        except ValueError:
            self.psf_label.setText("–")
            return
        chosen = "" if self._session.psf_choice is not None else "\na guess: one voxel"
        self.psf_label.setText(self._session.psf_for(placement).summary() + chosen)
        self.psf_label.setToolTip("How the microscope blurs a point; Edit... shows it")

    def _ask_for_device(self) -> None:
        backend = self.form.fields["backend"].value
        # In the background: the answer needs torch, whose import takes seconds.
        self._asking.run(lambda: (backend, *engine.device(backend)), self._show_device)

    def _show_device(self, answer: tuple[str, str, bool]) -> None:
        backend, sentence, usable = answer
        self.device.say(f"Runs on {sentence}" if usable else sentence, warning=not usable)
        if backend != self.form.fields["backend"].value:
            self._ask_for_device()

    def _open_seed_dock(self) -> None:
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "Seed mesh", tabify=True)

    def _open_psf_dock(self) -> None:
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "PSF designer", tabify=True)

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the result")
        if folder:
            self.save_to(Path(folder))

    def save_to(self, folder: Path) -> None:
        """Write the last result into a folder, in the background."""
        result, placement = self._session.result, self._session.result_placement
        movie_result, worker = self._session.movie_result, self._session.worker
        if placement is None:
            show_error("there is no result yet; run a fit first")
            return

        def save() -> list[Path]:
            from napari_deltamic.plugin.saving import save_movie, save_result

            if movie_result is not None:
                assert worker is not None
                return save_movie(movie_result, worker.settings, folder)
            assert result is not None
            return save_result(result, placement, folder)

        self._saving.run(save, lambda files: show_info(f"{len(files)} files saved to {folder}"))
