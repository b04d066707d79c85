"""The *Batch* dock: many stacks, fitted by a process of its own that is watched from here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_deltamic.batch.pulse import is_beating
from napari_deltamic.batch.watching import BatchFolder
from napari_deltamic.kernel_threads import thread_count
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.batches.command_line import CommandLine
from napari_deltamic.plugin.batches.handing import hand_over
from napari_deltamic.plugin.batches.options import SharedOptions
from napari_deltamic.plugin.batches.paths import breakable
from napari_deltamic.plugin.batches.plan import Plan, plain, plan_of
from napari_deltamic.plugin.batches.settings import SettingsPanel
from napari_deltamic.plugin.batches.stacks import StacksPanel
from napari_deltamic.plugin.batches.watch_panel import WatchPanel
from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.guide_step import GuideStep, as_main_button
from napari_deltamic.plugin.guide_words import Standing, StepState
from napari_deltamic.plugin.latest_task import LatestTask
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.preferences import keep_batch_folder, last_batch_folder
from napari_deltamic.plugin.widgets import Dock, MessageLabel, count_of, with_button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

PLUGIN = "napari-deltamic"
_CHECK_MILLISECONDS, _WIDTH = 150, 356
_TITLES = {
    "Stacks": "Which stacks or movies are fitted",
    "Settings": "How all of them are fitted",
    "Run": "Where the results go, and what computes them",
    "Watch": "How the batch goes, and what came out of it",
}
_BY = {"membranes": "their membranes", "threshold": "threshold", "table": "the table"}
_GOES_ON = "The batch runs by itself: it goes on when napari is closed."


class BatchDock(Dock):
    """Hands a batch over to a process of its own, and watches it by the files that it writes.

    Attributes
    ----------
    steps
        By title.
    stacks, settings, watch
        What the steps hold.
    output, workers, scheduler, retries, command
        Where the results go, what computes them, and the line that says all this.
    """

    FILLS = True

    def __init__(self, napari_viewer: Viewer) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view)
        self._viewer = napari_viewer
        self._checks, self._handing = LatestTask(self), BackgroundTask(self)
        self._plan = Plan()
        # How often the choices changed, and which of these the plan is of.
        self._changes = self._planned = 0
        self._check_timer = QTimer(self)
        self.stacks = StacksPanel()
        self.settings = SettingsPanel(napari_viewer, view.session)
        self.watch = WatchPanel(napari_viewer, view)
        self.output, self.workers = QLineEdit(last_batch_folder()), QSpinBox()
        self.scheduler, self.retries = QLineEdit(), QSpinBox()
        self.command, self.status = CommandLine(), MessageLabel()
        self.use_stacks = QPushButton("Next: settings")
        self.use_settings = QPushButton("Next: where to")
        self.run_button = QPushButton("Start the batch")
        self.steps = {
            title: GuideStep(number, title, tip)
            for number, (title, tip) in enumerate(_TITLES.items(), start=1)
        }
        self._lay_out()
        self._connect()
        self._begin()

    def sections(self) -> Sequence[QWidget]:
        """Return the steps: the long titles of one take no width from the fields of others."""
        return list(self.steps.values())

    def _lay_out(self) -> None:
        for step in self.steps.values():
            step.setMinimumWidth(_WIDTH)
        self.workers.setRange(0, 4096)
        self.workers.setSpecialValueText(f"one per core ({thread_count()})")
        self.workers.setToolTip("How many fits run at a time; fewer take less memory")
        self.output.setPlaceholderText("a folder, new or of an earlier batch")
        self.output.setToolTip(
            "Each stack gets a folder in it; the tables of all lie beside. What an earlier batch "
            "has done there with the same settings is not done again."
        )
        self.retries.setRange(0, 100)
        self.retries.setValue(1)
        self.retries.setToolTip("How often a fit that failed is tried again")
        self.scheduler.setPlaceholderText("tcp://host:8786")
        self.scheduler.setToolTip(
            "Address of a Dask scheduler, or the file it has written: its workers do the fits "
            "instead of this computer, and must see the same files"
        )
        for button, tip in (
            (self.use_stacks, "Go on to the settings"),
            (self.use_settings, "Go on to where the results go"),
        ):
            button.setToolTip(tip)
        self.fold = Fold("Advanced")
        inside = QWidget()
        rare = QFormLayout(inside)
        rare.setContentsMargins(0, 0, 0, 0)
        rare.addRow("Retries", self.retries)
        rare.addRow("Dask scheduler", self.scheduler)
        self.fold.addWidget(inside)
        run = QWidget()
        form = QFormLayout(run)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Results in", with_button(self.output, "Browse...", self._browse))
        form.addRow("At a time", self.workers)
        form.addRow(self.fold)
        for title, widgets in (
            ("Stacks", (self.stacks, self.use_stacks)),
            ("Settings", (self.settings, self.use_settings)),
            ("Run", (run, self.command, self.status, self.run_button)),
            ("Watch", (self.watch,)),
        ):
            for widget in widgets:
                self.steps[title].body.addWidget(widget)
            self.content.addWidget(self.steps[title])
        self.content.addStretch(1)
        # The table takes what height there is.
        watch = self.steps["Watch"]
        watch.header.toggled.connect(lambda opens: self.content.setStretchFactor(watch, 9 * opens))
        for button in (self.use_stacks, self.use_settings, self.run_button):
            as_main_button(button)

    def _connect(self) -> None:
        self.stacks.changed.connect(self._check_soon)
        self.settings.changed.connect(self._check_soon)
        self.settings.psf_wanted.connect(self._design)
        self.use_stacks.clicked.connect(lambda: self._go_to("Settings"))
        self.use_settings.clicked.connect(lambda: self._go_to("Run"))
        self.run_button.clicked.connect(self._start)
        self.output.textChanged.connect(self._refresh)
        self.workers.valueChanged.connect(self._refresh)
        self.retries.valueChanged.connect(self._refresh)
        self.scheduler.textChanged.connect(self._refresh)
        # Files may have been mended meanwhile.
        for title in ("Stacks", "Settings", "Run"):
            self.steps[title].opened.connect(self._check)
        self._handing.busy_changed.connect(self._refresh)
        self._handing.failed.connect(lambda text: self.status.say(breakable(text), warning=True))
        self.watch.looked.connect(self._refresh)
        self._check_timer.setSingleShot(True)
        self._check_timer.setInterval(_CHECK_MILLISECONDS)
        self._check_timer.timeout.connect(self._check)

    def _begin(self) -> None:
        """Show a batch that still runs; otherwise begin with the stacks."""
        folder = self._folder
        if folder is not None and is_beating(folder):
            self.watch.watch(folder)
            self._go_to("Watch")
        else:
            self._go_to("Stacks")
        self._check_soon()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Look no more once the dock is closed; the batch goes on."""
        super().changeEvent(event)
        # napari takes the dock out of its window, and leaves it to the garbage collector.
        if event.type() == QEvent.Type.ParentChange and self.parentWidget() is None:
            self.watch.end()
            self._check_timer.stop()

    @property
    def _folder(self) -> Path | None:
        text = self.output.text().strip()
        return Path(os.path.expanduser(text)) if text else None

    def _go_to(self, title: str) -> None:
        """Open one step and fold the others."""
        for name, step in self.steps.items():
            step.set_open(name == title)
        self._refresh()

    def _check_soon(self) -> None:
        self._changes += 1
        self._check_timer.start()
        self._refresh()

    def _check(self) -> None:
        inputs, movies = self.stacks.list.paths, self.stacks.movies.isChecked()
        options = self.settings.options()
        change = self._changes

        def show(plan: Plan) -> None:
            self._plan, self._planned = plan, change
            self._refresh()

        self._checks.run(lambda: plan_of(inputs, movies, options), show)

    def _refresh(self) -> None:
        """Say how every step stands, and what the command line is."""
        states = {
            "Stacks": self._stacks_state(),
            "Settings": self._settings_state(),
            "Run": self._run_state(),
            "Watch": self._watch_state(),
        }
        for title, state in states.items():
            self.steps[title].show_state(state._replace(sentence=breakable(state.sentence)))
        can_start = all(states[title].standing is Standing.DONE for title in ("Stacks", "Settings"))
        is_free = states["Run"].standing is Standing.READY and not self._handing.is_busy
        self.use_stacks.setEnabled(states["Stacks"].standing is Standing.DONE)
        self.use_settings.setEnabled(states["Settings"].standing is Standing.DONE)
        self.run_button.setEnabled(can_start and is_free)
        self.run_button.setToolTip(_GOES_ON if can_start and is_free else states["Run"].sentence)
        self._show_command()

    def _stacks_state(self) -> StepState:
        plan, paths = self._plan, self.stacks.list.paths
        if not paths:
            return StepState(Standing.READY, "Add stacks, a folder of them or a table.")
        if plan.stacks_problem:
            return StepState(Standing.WRONG, plan.stacks_problem)
        if self._is_checking or not plan.items:
            return StepState(Standing.BUSY, "Looking...")
        movies = sum(item.command == "timelapse" for item in plan.items)
        stacks = len(plan.items) - movies
        parts = [count_of(n, kind) for n, kind in ((stacks, "stack"), (movies, "movie")) if n]
        return StepState(Standing.DONE, " and ".join(parts) + " to fit.")

    def _settings_state(self) -> StepState:
        options, plan = self.settings.options(), self._plan
        if options is None:
            return StepState(Standing.WAITS, "Something is lacking yet.")
        if plan.settings_problem:
            return StepState(Standing.WRONG, plan.settings_problem)
        if self._is_checking:
            return StepState(Standing.BUSY, "Looking...")
        if not plan.items:
            return StepState(Standing.WAITS, "Checked once there are stacks.")
        whose = "a file" if isinstance(options.settings, Path) else "this session"
        return StepState(Standing.DONE, f"As in {whose}; cells found by {_BY[options.start]}.")

    def _run_state(self) -> StepState:
        folder = self._folder
        if self._handing.is_busy:
            return StepState(Standing.BUSY, "Handing the batch over...")
        if folder is None:
            return StepState(Standing.WAITS, "Choose a folder for the results.")
        if folder.exists() and not folder.is_dir():
            return StepState(Standing.WRONG, f"{folder.name} is a file; choose a folder.")
        seen = self.watch.seen
        is_watched = seen is not None and self.watch.path == folder and seen.is_running
        if is_watched or is_beating(folder):
            return StepState(Standing.BUSY, "A batch is running in this folder.")
        if not folder.is_absolute():
            return StepState(Standing.WRONG, "Give the folder's whole path.")
        if self._plan.stacks_problem or not self._plan.items:
            return StepState(Standing.WAITS, "Choose the stacks first.")
        if self.settings.options() is None or self._plan.settings_problem:
            return StepState(Standing.WAITS, "See what the settings lack.")
        if BatchFolder(folder).has_batch:
            sentence = "Holds a batch: what it did with the same settings stays."
            return StepState(Standing.READY, sentence)
        return StepState(Standing.READY, "Ready to start. It goes on when napari is closed.")

    def _watch_state(self) -> StepState:
        if self.watch.path is None:
            sentence = "Opens when a batch starts, or to watch one that runs elsewhere."
            return StepState(Standing.WAITS, sentence)
        seen = self.watch.seen
        return StepState(Standing.BUSY, "Looking...") if seen is None else seen.said()

    @property
    def _is_checking(self) -> bool:
        return self._planned != self._changes

    def _words(self, options: SharedOptions, folder: Path) -> list[str]:
        """Return the command line, with the PSF where it will be written."""
        words = ["batch", *(str(path) for path in self.stacks.list.paths), "--output", str(folder)]
        if self.stacks.movies.isChecked():
            words.append("--movies")
        if self.workers.value():
            words += ["--workers", str(self.workers.value())]
        if self.retries.value() != 1:
            words += ["--retries", str(self.retries.value())]
        if self.scheduler.text().strip():
            words += ["--scheduler", self.scheduler.text().strip()]
        return words + options.words(options.psf_place(folder))

    def _show_command(self) -> None:
        options, folder = self.settings.options(), self._folder
        if options is None or folder is None or not self.stacks.list.paths:
            self.command.show_words(())
            return
        try:
            self.command.show_words(["napari-deltamic", *self._words(options, folder)])
        except ValueError:
            # The settings' step says what is wrong with the other options.
            self.command.show_words(())

    def _start(self) -> None:
        options, folder = self.settings.options(), self._folder
        if options is None or folder is None:
            return
        self.status.say("")
        # The widgets are for this thread, and the PSF for another, because it takes torch.
        before = self._words(options, folder)
        place = options.psf_place(folder)

        def act() -> Path:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                written = options.write_psf(folder)
                words = [str(written) if word == str(place) else word for word in before]
                hand_over(words, folder)
            except OSError as error:
                raise ValueError(f"{folder} cannot be written into: {error}") from error
            except ValueError as error:
                raise ValueError(plain(error)) from error
            return folder

        self._handing.run(act, self._on_started)

    def _on_started(self, folder: Path) -> None:
        keep_batch_folder(folder)
        self.watch.watch(folder, was_handed_over=True)
        self._go_to("Watch")

    def _browse(self) -> None:
        start = self.output.text() or str(Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the results", start)
        if chosen:
            self.output.setText(chosen)

    def _design(self) -> None:
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "PSF designer", tabify=True)
