"""One fit in one thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.history import History, Moment, moment_of
from napari_deltamic.plugin.mailbox import Mailbox
from napari_deltamic.plugin.pace import Pace
from napari_deltamic.plugin.preview import PREVIEW_VOXELS_2D, Preview, PreviewMaker
from napari_deltamic.plugin.sessions.checkpoints import checkpoint_facts

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult, FitSettings, FitState
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.optics import PSF

_logger = logging.getLogger(__name__)

THREAD_NAME = "napari-deltamic fit"
PAUSE_POLL_SECONDS = 0.05
# Renderings for the view may take this share of the fit's time, not more.
PREVIEW_SHARE = 0.15


class Phase(Enum):
    """What a fit is doing."""

    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self in (Phase.FINISHED, Phase.FAILED)


class FitWorker:
    """Runs one fit and leaves what it publishes where the GUI thread can fetch it.

    Parameters
    ----------
    load_stack
        Makes the stack; called on the worker's thread, because converting the data takes time.
    mesh
        Where the fit starts.
    make_psf
        Makes the PSF; called on the worker's thread, because it may import torch.
    settings
        The fit's settings.
    checkpoint
        File that its progress is written to, now and then.
    resume
        Whether to go on from what that file holds.
    first_stage
        Where to begin, from 0.
    after
        The worker that this one takes over from: iterations are counted on from its own, and this
        one waits for it to end. Stop it.

    Attributes
    ----------
    states
        The latest state of the fit.
    previews
        The latest rendering, made only when the one before was taken.
    losses
        Loss of every iteration so far; only ever appended to.
    stage_starts
        First iteration, counted from 1, of every stage so far; only ever appended to.
    changes
        First iteration, counted from 1, after each time that the user changed what is fitted.
    latest
        Its last state, or that of the worker before; None before the first.
    done_before
        Iterations that other workers did before this one.
    history
        The moments of the fit so far, of a movie those of the frame.
    pace
        How fast it goes.
    preview_voxels
        The most voxels a preview may have.
    wants_residual
        Whether previews come with what is left unexplained.
    make_preview
        Makes them.
    progress
        Fraction that is done at least, 0 to 1.
    result
        What the fit returned; None until it finished, and if it was stopped before it began.
    error
        What it raised.
    settings
        As given.
    checkpoint, resumes
        As given; the first may still be set before the start.
    """

    def __init__(
        self,
        load_stack: Callable[[], ImageStack],
        mesh: TriangleMesh,
        make_psf: Callable[[], PSF],
        settings: FitSettings,
        checkpoint: Path | None = None,
        resume: bool = False,
        first_stage: int = 0,
        after: FitWorker | None = None,
    ) -> None:
        self.checkpoint, self.resumes = checkpoint, resume
        self.states: Mailbox[FitState] = Mailbox()
        self.previews: Mailbox[Preview] = Mailbox()
        self.losses: list[float] = []
        self.stage_starts: list[int] = []
        self.changes: list[int] = []
        self.latest: FitState | None = None
        self.done_before = 0
        self.history = History()
        self.pace = Pace()
        self.preview_voxels = PREVIEW_VOXELS_2D
        self.wants_residual = False
        self.make_preview = PreviewMaker(settings.noise)
        self.progress = 0.0
        self.result: FitResult | None = None
        self.error: Exception | None = None
        self._load_stack = load_stack
        self._mesh = mesh
        self._make_psf = make_psf
        self.settings = settings
        self._stop = Event()
        self._may_run = Event()
        self._may_run.set()
        self._view_is_ready = Event()
        self._view_is_ready.set()
        self._began = False
        self._stage = -1
        self._next_preview = 0.0
        self._first_stage, self._after = first_stage, after
        self._thread = Thread(target=self._run, name=THREAD_NAME, daemon=True)
        if after is not None:
            self._take_over(after)

    def _take_over(self, other: FitWorker) -> None:
        self.losses, self.done_before = other.losses[:], len(other.losses)
        self.latest = other.latest
        self.stage_starts, self._stage = other.stage_starts[:], other._stage
        self.changes = [*other.changes, self.done_before + 1]
        for moment in other.history.moments:
            if moment.iteration <= self.done_before:
                self.history.append(moment)

    @property
    def phase(self) -> Phase:
        """What the fit is doing now."""
        # A thread has an identity from its start on.
        if self._thread.ident is None:
            return Phase.PREPARING
        if not self._thread.is_alive():
            return Phase.FAILED if self.error is not None else Phase.FINISHED
        if self._stop.is_set():
            return Phase.STOPPING
        if not self._may_run.is_set():
            return Phase.PAUSED
        return Phase.RUNNING if self._began else Phase.PREPARING

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def hold(self) -> None:
        """Make the fit wait at its first state until :meth:`release`; call it before start."""
        self._view_is_ready.clear()

    def release(self) -> None:
        """Let it go on from its first state."""
        self._view_is_ready.set()

    def pause(self) -> None:
        """Hold the fit at its next poll, until :meth:`resume` or :meth:`stop`."""
        self._may_run.clear()

    def resume(self) -> None:
        """Let a held fit go on."""
        self._may_run.set()

    def stop(self) -> None:
        """Ask the fit to end with what it has; it does within a fraction of a second."""
        self._stop.set()
        self._may_run.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread; return whether it has ended, or was never started."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._fit()
        except Exception as error:
            # A ValueError is for the user, and its sentence says it all.
            is_told = isinstance(error, ValueError)
            _logger.error("the fit failed: %s", error, exc_info=not is_told)
            self.error = error
        finally:
            self.pace.end()

    def _fit(self) -> None:
        if not engine.wait_until_ready(self._should_stop):
            return
        if self._after is not None:
            # Two fits at once would share the processor's cores.
            self._after.join()
            self._after = None
        # Imported here: the module pulls in torch.
        from napari_deltamic import fitting

        stack, psf = self._load_stack(), self._make_psf()
        if self._should_stop():
            return
        self._began = True
        self.pace.begin()
        if self.resumes:
            self._recall()
        result = fitting.fit(
            stack,
            self._mesh,
            psf,
            self.settings,
            self._on_state,
            should_stop=self._should_stop,
            checkpoint=self.checkpoint,
            resume=self.resumes,
            first_stage=self._first_stage,
        )
        self.result = self._with_earlier(result)

    def _with_earlier(self, result: FitResult) -> FitResult:
        """Return a result whose history begins where the first of the workers did."""
        if self.done_before == 0:
            return result
        losses = [*self.losses[: self.done_before], *result.loss_history]
        starts = [start - 1 for start in self.stage_starts]
        return replace(result, loss_history=losses, stage_starts=starts)

    def _recall(self) -> None:
        """Have the curve of the iterations that were done before."""
        if self.checkpoint is not None and self.checkpoint.is_file():
            facts = checkpoint_facts(self.checkpoint)
            self.losses.extend(facts.losses)
            self.stage_starts.extend(start + 1 for start in facts.stage_starts)
            self._stage = len(facts.stage_starts) - 1

    def _should_stop(self) -> bool:
        if not self._may_run.is_set():
            with self.pace.resting():
                while not self._stop.is_set() and not self._may_run.wait(PAUSE_POLL_SECONDS):
                    pass
        return self._stop.is_set()

    def _on_state(self, state: FitState, progress: float | None = None) -> None:
        state = replace(state, iteration=self.done_before + state.iteration)
        self.latest = state
        self.losses.append(state.loss)
        self.progress = state.progress if progress is None else progress
        self.pace.step(self.progress)
        self._note_stage(state)
        moment = moment_of(state)
        self.history.append(moment)
        if state.iteration == self.done_before + 1:
            # Made first, so that this thread rests while the view adds its layers.
            self._publish_preview(moment)
            self.states.put(state)
            while not self._view_is_ready.wait(engine.POLL_SECONDS) and not self._should_stop():
                pass
        else:
            self.states.put(state)
            self._publish_preview(moment)
        self._should_stop()

    def _note_stage(self, state: FitState) -> None:
        if state.stage != self._stage:
            self._stage = state.stage
            self.stage_starts.append(state.iteration)

    def _publish_preview(self, moment: Moment) -> None:
        start = time.perf_counter()
        if self.previews.is_empty and start >= self._next_preview and not self._stop.is_set():
            self._render_unless_stopped(moment)
            end = time.perf_counter()
            self._next_preview = end + (end - start) * (1.0 / PREVIEW_SHARE - 1.0)

    def _render_unless_stopped(self, moment: Moment) -> None:
        """Make a preview; whoever stops the fit does not wait for it."""
        failure: list[Exception] = []

        def render() -> None:
            try:
                self.previews.put(
                    self.make_preview(moment, self.preview_voxels, residual=self.wants_residual)
                )
            except Exception as error:
                failure.append(error)

        thread = Thread(target=render, name=THREAD_NAME, daemon=True)
        thread.start()
        while thread.is_alive() and not self._stop.is_set():
            thread.join(engine.POLL_SECONDS)
        if failure:
            raise failure[0]
