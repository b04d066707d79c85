"""How far a fit has come: a bar, numbers and the curve of its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_deltamic.plugin.fit_numbers import FitNumbers
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.loss_plot import LossPlot
from napari_deltamic.plugin.movie_worker import MovieWorker

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult, FitState
    from napari_deltamic.plugin.fit_worker import FitWorker
    from napari_deltamic.plugin.inspection import Inspection
    from napari_deltamic.plugin.session import Session
    from napari_deltamic.timelapse import TimelapseResult


class FitProgress(QWidget):
    """Follows the fit of a session, and marks the moment that is inspected.

    Attributes
    ----------
    bar, numbers, plot
        What it shows.
    """

    def __init__(self, session: Session, inspection: Inspection) -> None:
        super().__init__()
        self._session, self._inspection = session, inspection
        self.bar, self.numbers, self.plot = QProgressBar(), FitNumbers(), LossPlot()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self.numbers, self.plot):
            column.addWidget(widget)
        session.started.connect(self._on_started)
        session.phase_changed.connect(self.show_phase)
        session.advanced.connect(self._on_state)
        session.finished.connect(self._on_finished)
        session.movie_finished.connect(self._on_movie_finished)
        inspection.changed.connect(self._mark_moment)

    def show_phase(self, phase: Phase) -> None:
        """Show the times of a fit, and that it is getting ready."""
        worker = self._session.worker
        self.numbers.follow(None if worker is None or phase.is_over else worker.pace)
        # A bar without end says that something happens whose length is unknown.
        self.bar.setRange(0, 0 if phase is Phase.PREPARING else 1000)

    def _on_started(self) -> None:
        self.plot.clear()
        worker = self._session.worker
        if worker is not None and worker.done_before:
            self._show_curve(worker)
            return
        self._fill(0.0)
        self.numbers.clear()

    def _on_state(self, state: FitState) -> None:
        worker = self._session.worker
        if worker is not None:
            self._show_curve(worker)
        self._fill(state.progress if worker is None else worker.progress)
        stage = f"{state.stage + 1} of {state.stages}"
        if isinstance(worker, MovieWorker):
            last = worker.movie.first + len(worker.movie) - 1
            stage += f", frame {worker.frame} of {last}"
        texts = {"Stage": stage, "Iteration": str(state.iteration), "Loss": f"{state.loss:.4g}"}
        for title, text in texts.items():
            self.numbers.values[title].setText(text)

    def _on_finished(self, result: FitResult | None) -> None:
        if result is None:
            return
        # Steps counted from 0 there, and from 1 here.
        self.plot.show_losses(result.loss_history, [start + 1 for start in result.stage_starts])
        self._fill(1.0)

    def _on_movie_finished(self, result: TimelapseResult) -> None:
        if not result.stopped:
            self._fill(1.0)

    def _show_curve(self, worker: FitWorker) -> None:
        self.plot.show_losses(worker.losses[:], worker.stage_starts[:])
        self.plot.show_changes(worker.changes)

    def _fill(self, part: float) -> None:
        # A bar that takes updates repaints at once, and with it Qt composes the whole window.
        self.bar.setUpdatesEnabled(False)
        self.bar.setValue(int(1000 * part))
        self.bar.setUpdatesEnabled(True)

    def _mark_moment(self) -> None:
        """Show in the plot which moment the view shows."""
        inspection, worker = self._inspection, self._session.worker
        shown, moments = inspection.shown, inspection.moments
        if inspection.is_live or shown is None or worker is None or not moments:
            self.plot.mark(None)
        else:
            # Of a movie, iterations are counted anew in each frame.
            self.plot.mark(len(worker.losses) - moments[-1].iteration + shown.iteration)
