"""The *Compressive imaging* dock: learn patterns and a decoder, watch, compare, export."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.compressive_images import TrainingImages
from napari_deltamic.plugin.compressive_models import ModelPanel
from napari_deltamic.plugin.compressive_progress import TrainingProgress
from napari_deltamic.plugin.compressive_session import KnownModel
from napari_deltamic.plugin.compressive_worker import (
    CompressiveWorker,
    TrainingJob,
    TrainingStack,
    in_words,
)
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.guide_step import MAIN_BUTTON
from napari_deltamic.plugin.latest_task import LatestTask
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.settings_form import SettingsForm
from napari_deltamic.plugin.widgets import Dock, MessageLabel, with_button

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.compressive import CompressiveSettings

PLUGIN = "napari-deltamic"
_MAIN = ("patterns", "frames", "binning")
_MOST = {"binning": 64, "photons": 1e6}
_INSIDES, _BORDERS = "what is labelled", "borders of labels"
_POLL_MILLISECONDS, _CHECK_MILLISECONDS, _SCROLL_MILLISECONDS = 80, 60, 100
_WIDTH = 356
_TIP = "Learn patterns of light, and how to make an image of the few large pixels that they give"
_TASK = {
    "reconstruct": "Learning patterns and decoder",
    "segment": "Learning to find the labels",
    "joint": "Learning patterns for the labels too",
}


class Standing(NamedTuple):
    """Whether a training could start."""

    field: int
    """Voxels along y and x of the patterns; 0 if it cannot."""
    problem: str = ""
    """Why it cannot."""


class CompressiveDock(Dock):
    """Trains compressive models, and shows what they make of images."""

    def __init__(self, napari_viewer: Viewer) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view)
        self._viewer = napari_viewer
        self._models, self._optics = view.compressive, view.session
        # What ended while no dock was open.
        self._models.collect()
        self._checks = LatestTask(self)
        self._standing = Standing(0, "Loading...")
        self.images = TrainingImages(napari_viewer, view.session.image_name)
        self.finds = QComboBox()
        self.for_task = QCheckBox("Learn patterns for it too")
        self.standing = MessageLabel()
        self.form: SettingsForm[CompressiveSettings] = SettingsForm(
            self._models.settings, _MAIN, none="no noise"
        )
        self.compression, self.psf_label = QLabel(), QLabel()
        self.train_button, self.stop_button = QPushButton("Train"), QPushButton("Stop")
        self.status = MessageLabel()
        self._revealed: QWidget = self.status
        self.progress = TrainingProgress()
        self.panel = ModelPanel(napari_viewer, view)
        self.image = self.panel.image
        self._poll_timer, self._check_timer = QTimer(self), QTimer(self)
        self._lay_out()
        self._connect()
        self._show_psf()
        self._check_soon()
        if self._models.worker is not None:
            # The dock was closed and opened again meanwhile.
            self._follow()
        elif self._models.chosen is None:
            self.status.say("Tick images, choose the compression, then press Train.")
        self._show_model(self._models.chosen)
        self._enable()

    def _lay_out(self) -> None:
        self.images.setMinimumWidth(_WIDTH)
        self.finds.addItems([_INSIDES, _BORDERS])
        self.finds.setToolTip("What of the labels is to be found: borders suit labels that touch")
        self.for_task.setToolTip(
            "After patterns for the image, learn on with patterns that serve the labels as well; "
            "it takes half as long again"
        )
        self._task_rows = QWidget()
        task = QFormLayout(self._task_rows)
        task.setContentsMargins(0, 0, 0, 0)
        task.addRow("Find", self.finds)
        task.addRow("", self.for_task)
        self.psf_label.setWordWrap(True)
        # Two lines, which it needs with most microscopes.
        self.psf_label.setMinimumHeight(2 * self.psf_label.fontMetrics().lineSpacing())
        self.psf_label.setToolTip(
            "How the microscope blurs patterns, and the light that comes back"
        )
        self.compression.setToolTip("Voxels for each number that the camera reads out")
        below = QWidget()
        form = QFormLayout(below)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Compression", self.compression)
        form.addRow(with_button(self.psf_label, "Edit...", self._open_psf_dock))
        self.form.layout().insertWidget(1, below)
        for name, most in _MOST.items():
            self.form.fields[name].native.setMaximum(most)
        buttons = QHBoxLayout()
        for button in (self.train_button, self.stop_button):
            button.setMinimumHeight(30)
            buttons.addWidget(button)
        self.train_button.setStyleSheet(MAIN_BUTTON)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        for part in (self.images, self._task_rows, self.standing, self.form):
            self.content.addWidget(part)
        self.content.addLayout(buttons)
        for part in (self.status, self.progress, line, self.panel):
            self.content.addWidget(part)

    def _connect(self) -> None:
        self.train_button.clicked.connect(self._train)
        self.stop_button.clicked.connect(self._stop)
        self._poll_timer.setInterval(_POLL_MILLISECONDS)
        self._poll_timer.timeout.connect(self._poll)
        self._check_timer.setSingleShot(True)
        self._check_timer.setInterval(_CHECK_MILLISECONDS)
        self._check_timer.timeout.connect(self._check)
        self.images.changed.connect(self._check_soon)
        self.images.changed.connect(self._show_psf)
        self.panel.chosen.connect(self._show_model)
        self.panel.busy_changed.connect(self._enable)
        self.panel.message.said.connect(lambda: self._reveal(self.panel.message))
        self.form.changed.connect(self._keep_settings)
        self.form.changed.connect(self._check_soon)
        self._optics.psf_changed.connect(self._show_psf)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """End what runs when the dock is closed; a training keeps its best epoch."""
        super().changeEvent(event)
        # napari takes the dock out of its window, and leaves it to the garbage collector.
        if event.type() == QEvent.Type.ParentChange and self.parentWidget() is None:
            self._poll_timer.stop()
            self._models.stop()
            self.panel.stop_comparing()

    def _keep_settings(self) -> None:
        # Numbers that do not go together are told of by the check.
        with suppress(ValueError):
            self._models.settings = self.form.settings()

    def _check_soon(self) -> None:
        self._check_timer.start()

    def _check(self) -> None:
        """See in the background, for it needs torch, whether a training could start."""
        has_labels = any(row.chosen_labels is not None for row in self.images.chosen())
        self._task_rows.setVisible(has_labels)
        try:
            stacks, settings = self.images.stacks(), self.form.settings()
        except ValueError as error:
            self._show_standing(Standing(0, str(error)))
            return
        self._checks.run(lambda: standing_of(stacks, settings), self._show_standing)

    def _show_standing(self, standing: Standing) -> None:
        self._standing = standing
        settings = self._models.settings
        ratio = settings.binning**2 / settings.frames
        text = f"<b>×{ratio:.3g}</b>"
        if standing.field:
            pixels, plural = standing.field // settings.binning, "s" * (settings.frames > 1)
            text += f", {settings.frames} frame{plural} of {pixels} × {pixels} px"
        self.compression.setText(text)
        if standing.problem:
            self.standing.say(standing.problem, warning=True)
        elif ratio <= 1.0:
            self.standing.say(
                "Nothing is saved: there are as many numbers as voxels. Bin more, or show fewer "
                "patterns.",
                warning=True,
            )
        else:
            self.standing.say(self._other_voxels(), warning=True)
        self._enable()

    def _other_voxels(self) -> str:
        """Return what is to be known of voxel sizes, "" for nothing."""
        sources = [stack.image for stack in self.images.stacks()]
        for source in sources:
            if not source.placement.is_known:
                return (
                    f"{source.name!r} has no voxel size: 1 µm is taken. Choose it as the image "
                    "below to enter it."
                )
            if not np.allclose(source.placement.spacing, sources[0].placement.spacing, rtol=0.02):
                return (
                    f"{source.name!r} has other voxels than {sources[0].name!r}, whose size the "
                    "model takes."
                )
        return ""

    def _show_psf(self) -> None:
        try:
            placement = self.images.stacks()[0].image.placement
        except ValueError:
            self.psf_label.setText("PSF: –")
            return
        guess = "" if self._optics.psf_choice is not None else " (a guess: one voxel)"
        self.psf_label.setText(f"PSF: {self._optics.psf_for(placement).summary()}{guess}")

    def _open_psf_dock(self) -> None:
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "PSF designer", tabify=True)

    def _train(self) -> None:
        try:
            job = self._job()
            self._models.start(CompressiveWorker(job))
        except (ValueError, RuntimeError) as error:
            self.status.say(str(error), warning=True)
            show_error(str(error))
            return
        self.progress.clear()
        self.status.say("Reading the images...")
        self._follow()
        self._reveal(self.status)

    def _job(self) -> TrainingJob:
        stacks, settings = self.images.stacks(), self.form.settings()
        placement = stacks[0].image.placement
        ratio = settings.binning**2 / settings.frames
        return TrainingJob(
            f"{settings.patterns.capitalize()} ×{ratio:.3g}, {datetime.now():%H:%M}",
            stacks,
            settings,
            placement.spacing,
            self._optics.psf_for(placement).make,
            self.finds.currentText() == _BORDERS,
            self.for_task.isChecked(),
        )

    def _follow(self) -> None:
        self.progress.fill(None)
        self._poll_timer.start()
        self._enable()

    def _reveal(self, widget: QWidget) -> None:
        self._revealed = widget
        # Once it has the place that it gets by what was said.
        QTimer.singleShot(_SCROLL_MILLISECONDS, self._scroll)

    def _scroll(self) -> None:
        self._area.ensureWidgetVisible(self._revealed)

    def _stop(self) -> None:
        self._models.stop()
        self.status.say("Stopping, with the best epoch...")
        self._enable()

    def _poll(self) -> None:
        worker = self._models.worker
        if worker is None:
            self._poll_timer.stop()
            self._enable()
            self.panel.refresh()
            return
        phase = worker.phase
        preview = worker.previews.take()
        if preview is not None:
            self.progress.show_preview(preview)
        had_none = not self.progress.plot.isVisibleTo(self.progress)
        self.progress.show_epochs(worker.epochs[:])
        if had_none and worker.epochs:
            self._reveal(self.progress.plot)
        if phase is Phase.RUNNING:
            self.progress.fill(worker.progress)
            self.status.say(_running(worker))
        elif phase.is_over and self._models.collect() is not None:
            self._poll_timer.stop()
            self._conclude(worker)

    def _conclude(self, worker: CompressiveWorker) -> None:
        self.progress.fill(0.0)
        if worker.error is not None:
            text = in_words(str(worker.error) or type(worker.error).__name__)
            self.status.say(f"The training failed: {text}", warning=True)
            show_error(f"The training failed: {text}")
        elif worker.outcome is None:
            self.status.say("Stopped before the first epoch was done; there is no model of it.")
        else:
            self.progress.fill(1.0)
            reason = worker.outcome.stop_reason
            self.status.say(f"Done: {reason}. Compare shows it on an image; then save it.")
        self._enable()
        if worker.outcome is not None:
            self.panel.refresh()
            self._reveal(self.panel.scores)

    def _show_model(self, known: KnownModel | None) -> None:
        """Show the model in use, while no training is to be seen."""
        if self._models.worker is None and known is not None:
            self.progress.show_preview(known.preview)
            self.progress.show_epochs(known.epochs)

    def _enable(self) -> None:
        worker = self._models.worker
        reason = "A training is running" if worker is not None else self._standing.problem
        if self.panel.is_busy:
            reason = reason or "Wait until what is under way below is done"
        self.train_button.setEnabled(not reason)
        self.train_button.setToolTip(reason or _TIP)
        can_stop = worker is not None and worker.phase in (Phase.PREPARING, Phase.RUNNING)
        self.stop_button.setEnabled(can_stop)
        self.stop_button.setToolTip(
            "End the training and keep its best epoch" if can_stop else "No training is running"
        )
        for part in (self.images, self._task_rows, self.form):
            part.setEnabled(worker is None)
        self.panel.set_training(worker is not None)


def standing_of(stacks: tuple[TrainingStack, ...], settings: CompressiveSettings) -> Standing:
    """Return whether a training could start, without reading any voxels; imports torch."""
    engine.load_compressive()
    engine.load_plots()
    from napari_deltamic.compressive import field_size, split_planes
    from napari_deltamic.compressive.masks import hadamard_tiles
    from napari_deltamic.compressive.splitting import GAP

    try:
        for stack in stacks:
            try:
                split_planes(stack.image.shape[0], GAP)
            except ValueError as error:
                return Standing(0, f"{stack.image.name!r}: {in_words(str(error))}.")
        if settings.patterns == "hadamard":
            hadamard_tiles(settings.frames, settings.binning)
        return Standing(field_size([stack.image.shape for stack in stacks], settings.binning))
    except ValueError as error:
        return Standing(0, f"{in_words(str(error))}.")


def _running(worker: CompressiveWorker) -> str:
    """Return how far a training is, as a sentence."""
    text = f"{_TASK[worker.task]}: epoch {worker.epoch} of {worker.job.settings.epochs}"
    epochs = worker.epochs[:]
    if epochs:
        best = min(epochs, key=lambda epoch: epoch.validation_loss)
        text += f", the best so far is {best.number}"
    return f"{text}."
