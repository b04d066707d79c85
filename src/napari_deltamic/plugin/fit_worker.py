"""One fit in one thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum
from threading import Event, Thread
from typing import TYPE_CHECKING

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.mailbox import Mailbox
from napari_deltamic.plugin.preview import PREVIEW_VOXELS_2D, Preview, binned

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult, FitSettings, FitState
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.optics import PSF

_logger = logging.getLogger(__name__)

THREAD_NAME = "napari-deltamic fit"
PAUSE_POLL_SECONDS = 0.05
# Renderings for the view may take this share of the fit's time, not more.
PREVIEW_SHARE = 0.25


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
    preview_voxels
        The most voxels a preview may have.
    progress
        Fraction that is done at least, 0 to 1.
    result
        What the fit returned; None until it finished, and if it was stopped before it began.
    error
        What it raised.
    """

    def __init__(
        self,
        load_stack: Callable[[], ImageStack],
        mesh: TriangleMesh,
        make_psf: Callable[[], PSF],
        settings: FitSettings,
    ) -> None:
        self.states: Mailbox[FitState] = Mailbox()
        self.previews: Mailbox[Preview] = Mailbox()
        self.losses: list[float] = []
        self.stage_starts: list[int] = []
        self.preview_voxels = PREVIEW_VOXELS_2D
        self.progress = 0.0
        self.result: FitResult | None = None
        self.error: Exception | None = None
        self._load_stack = load_stack
        self._mesh = mesh
        self._make_psf = make_psf
        self._settings = settings
        self._stop = Event()
        self._may_run = Event()
        self._may_run.set()
        self._view_is_ready = Event()
        self._view_is_ready.set()
        self._began = False
        self._stage = -1
        self._next_preview = 0.0
        self._thread = Thread(target=self._run, name=THREAD_NAME, daemon=True)

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

    def _fit(self) -> None:
        if not engine.wait_until_ready(self._should_stop):
            return
        # Imported here: the module pulls in torch.
        from napari_deltamic import fitting

        stack, psf = self._load_stack(), self._make_psf()
        if self._should_stop():
            return
        self._began = True
        self.result = fitting.fit(
            stack, self._mesh, psf, self._settings, self._on_state, should_stop=self._should_stop
        )

    def _should_stop(self) -> bool:
        while not self._stop.is_set() and not self._may_run.wait(PAUSE_POLL_SECONDS):
            pass
        return self._stop.is_set()

    def _on_state(self, state: FitState) -> None:
        self.losses.append(state.loss)
        self.progress = state.progress
        self._note_stage(state)
        if state.iteration == 1:
            # Made first, so that this thread rests while the view adds its layers.
            self._publish_preview(state)
            self.states.put(state)
            while not self._view_is_ready.wait(engine.POLL_SECONDS) and not self._should_stop():
                pass
        else:
            self.states.put(state)
            self._publish_preview(state)
        self._should_stop()

    def _note_stage(self, state: FitState) -> None:
        if state.stage != self._stage:
            self._stage = state.stage
            self.stage_starts.append(state.iteration)

    def _publish_preview(self, state: FitState) -> None:
        start = time.perf_counter()
        if self.previews.is_empty and start >= self._next_preview and not self._stop.is_set():
            self.previews.put(binned(state.render(), self.preview_voxels))
            end = time.perf_counter()
            self._next_preview = end + (end - start) * (1.0 / PREVIEW_SHARE - 1.0)
