"""What the user has chosen and what is running: the model behind the docks, without Qt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal, SignalInstance

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.plugin.fit_input import FitInput
from napari_deltamic.plugin.fit_region import FitRegion
from napari_deltamic.plugin.fit_worker import FitWorker, Phase
from napari_deltamic.plugin.movie_worker import MovieSource, MovieWorker
from napari_deltamic.plugin.preferences import Preferences
from napari_deltamic.plugin.psf_choice import PsfChoice, gaussian

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.cell_finder import CellFinder
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.spatial import Placement, StackSource
    from napari_deltamic.plugin.suggestions import Marks
    from napari_deltamic.timelapse import TimelapseResult

# A fit normally stops within a fraction of a second; a window must close in any case.
CLOSE_SECONDS = 2.0

_logger = logging.getLogger(__name__)


class Session:
    """The choices, the running fit and the last result of one viewer.

    All methods are for one thread, the GUI's; :meth:`poll` brings what the worker left.

    Attributes
    ----------
    image_name
        Name of the chosen Image layer, "" for none.
    mesh_name
        Name of the Surface layer that was seeded last, "" for none.
    psf_choice
        The PSF of the next fit; None takes a Gaussian of one voxel of the chosen image.
    settings
        The settings of the next fit.
    preferences
        Asked at each start for what the user prefers.
    marks
        What the dye marks, as far as the user said it or agreed.
    finder
        What found the cells of the last seed; None if the user said where they are.
    corrected
        What the user has made of the mesh of the held fit; None if nothing.
    fitted
        What the last fit was given; None before the first, and if that was of a movie.
    result
        What the last fit returned; None if that was of a movie.
    movie_result
        What the last fit of a movie returned; None if a single one came after it.
    result_placement
        Where the stack of that fit lies.
    """

    image_changed = Signal(str)
    mesh_changed = Signal(str)
    psf_changed = Signal(object)
    """Emits the new PsfChoice, or None."""
    started = Signal(object)
    """Emits the mesh that a new fit starts from, before anything else of it."""
    phase_changed = Signal(object)
    """Emits the new Phase of the fit."""
    advanced = Signal(object)
    """Emits a FitState."""
    previewed = Signal(object)
    """Emits a Preview of the rendering."""
    finished = Signal(object)
    """Emits the FitResult, or None if the fit was stopped before it began."""
    movie_finished = Signal(object)
    """Emits the TimelapseResult of a movie instead, with one frame at least."""
    failed = Signal(str)
    """Emits what went wrong."""
    taken_up = Signal()
    """Choices of a saved session have taken the place of those that were made."""

    def __init__(self) -> None:
        self.image_name = self.mesh_name = ""
        self.psf_choice: PsfChoice | None = None
        self.settings = FitSettings()
        self.preferences: Callable[[], Preferences] = Preferences
        self.marks: Marks | None = None
        self.finder: CellFinder | None = None
        self.fitted: FitInput | None = None
        self.corrected: TriangleMesh | None = None
        self.result: FitResult | None = None
        self.movie_result: TimelapseResult | None = None
        self.result_placement: Placement | None = None
        self._worker: FitWorker | None = None
        self._source: StackSource | FitRegion | None = None
        self._last_phase: Phase | None = None
        self._moments: tuple[Moment, ...] = ()

    def choose_image(self, name: str) -> None:
        """Make a layer the one to work on."""
        if name != self.image_name:
            self.image_name = name
            self.image_changed.emit(name)

    def choose_mesh(self, name: str) -> None:
        """Make a layer the one that the next fit starts from."""
        self.mesh_name = name
        self.mesh_changed.emit(name)

    def choose_psf(self, choice: PsfChoice | None) -> None:
        """Set the PSF of the next fit; None goes back to one voxel. A running fit keeps its own."""
        self.psf_choice = choice
        self.psf_changed.emit(choice)

    def psf_for(self, placement: Placement) -> PsfChoice:
        """Return the chosen PSF, or one voxel: what a stack sampled at Nyquist's rate has."""
        return gaussian(placement.spacing) if self.psf_choice is None else self.psf_choice

    @property
    def worker(self) -> FitWorker | None:
        """The fit that runs or ran last."""
        return self._worker

    @property
    def source(self) -> StackSource | FitRegion | None:
        """The stack of that fit; of a large one the part around the mesh, once it is loaded."""
        return self._source

    @property
    def is_fitting(self) -> bool:
        """Whether a fit has begun and its end was not polled yet."""
        return self._last_phase is not None and not self._last_phase.is_over

    @property
    def movie(self) -> MovieSource | None:
        """The movie that is fitted or was fitted last; None if that was a single fit."""
        return self._worker.movie if isinstance(self._worker, MovieWorker) else None

    @property
    def moments(self) -> tuple[Moment, ...]:
        """What the last fit went through, of a movie its last frame's."""
        return self._moments if self._worker is None else self._worker.history.moments

    def take_up(
        self,
        image: str,
        mesh: str,
        settings: FitSettings,
        psf: PsfChoice | None,
        marks: Marks | None,
    ) -> None:
        """Make the choices of a saved session; layers by their names, "" for none."""
        self.settings, self.marks = settings, marks
        if image:
            self.choose_image(image)
        self.choose_psf(psf)
        self.taken_up.emit()
        if mesh:
            self.choose_mesh(mesh)

    def take_up_result(
        self,
        given: FitInput,
        source: StackSource,
        result: FitResult,
        moments: tuple[Moment, ...],
    ) -> None:
        """Have the result of a saved session as if its fit had just ended.

        Parameters
        ----------
        given
            What the fit was given.
        source
            The part of the stack that was fitted.
        result, moments
            What it gave and what it went through.

        Raises
        ------
        RuntimeError
            If a fit is running.
        """
        if self.is_fitting:
            raise RuntimeError("a fit is running; stop it before opening a session")
        self._worker = self._last_phase = self.movie_result = None
        self._source, self.fitted, self._moments = source, given, moments
        self.result, self.result_placement = result, source.placement
        self.finished.emit(result)

    def start(self, source: StackSource, mesh: TriangleMesh, first_stage: int = 0) -> None:
        """Start a fit; a mesh that is nearly right needs no coarse stages.

        Raises
        ------
        RuntimeError
            If one is running.
        ValueError
            If the mesh does not lie in the stack.
        """
        whole_up_to = 1_000_000 * self.preferences().whole_up_to
        psf = self.psf_for(source.placement)
        self.start_from(FitInput(source, mesh, psf, self.settings, whole_up_to, first_stage))

    def start_from(self, given: FitInput, checkpoint: Path | None = None) -> None:
        """Start a fit of what is given; go on from a checkpoint if there is one.

        Raises
        ------
        RuntimeError, ValueError
            As :meth:`start`.
        """
        self._start(*_worker_for(given, checkpoint), given.mesh, given)

    def correct(self, mesh: TriangleMesh | None) -> None:
        """Say what the held fit shall go on from; None for the mesh that it has itself."""
        self.corrected = mesh

    def go_on(self, given: FitInput) -> None:
        """Let the held fit go on with another mesh, PSF or other settings than it had.

        Raises
        ------
        RuntimeError
            If no fit of a single stack is held.
        ValueError
            As :meth:`start`; the fit stays held.
        """
        before = self._worker
        if before is None or self.fitted is None or before.phase is not Phase.PAUSED:
            raise RuntimeError("no fit is held; pause it first")
        _check_overlap(given.source, given.mesh)
        worker, region = _worker_for(given, after=before)
        before.stop()
        self._last_phase = None
        self._start(worker, region, given.mesh, given)

    def start_movie(
        self, movie: MovieSource, mesh: TriangleMesh, folder: Path | None, resume: bool
    ) -> None:
        """Start the fit of a movie, whose finished frames go into a folder, if one is given.

        Raises
        ------
        RuntimeError, ValueError
            As :meth:`start`.
        """
        make_psf = self.psf_for(movie.source.placement).make
        worker = MovieWorker(movie, mesh, make_psf, self.settings, folder, resume)
        self._start(worker, movie.source, mesh)

    def _start(
        self,
        worker: FitWorker,
        source: StackSource | FitRegion,
        mesh: TriangleMesh,
        given: FitInput | None = None,
    ) -> None:
        if self.is_fitting:
            raise RuntimeError("a fit is running; stop it before starting another")
        _check_overlap(source, mesh)
        self._source, self._worker, self.fitted = source, worker, given
        self.corrected = None
        self._last_phase = None
        try:
            self.started.emit(mesh)
            self._worker.start()
        except Exception:
            self._worker = self._last_phase = None
            raise
        self.poll()

    def pause(self) -> None:
        """Hold the fit."""
        if self._worker is not None:
            self._worker.pause()
            self.poll()

    def resume(self) -> None:
        """Let it go on."""
        if self._worker is not None:
            self.corrected = None
            self._worker.resume()
            self.poll()

    def stop(self) -> None:
        """End the fit with what it has."""
        if self._worker is not None:
            self._worker.stop()
            self.poll()

    def close(self) -> None:
        """Stop the fit and wait a little for its thread; nothing is emitted any more."""
        worker, self._worker, self._last_phase = self._worker, None, None
        if worker is not None:
            worker.stop()
            if not worker.join(CLOSE_SECONDS):
                _logger.warning("the fit did not stop in time; its thread is left to end by itself")

    def poll(self) -> None:
        """Emit what has happened since the last time."""
        worker = self._worker
        if worker is None or (self._last_phase is not None and self._last_phase.is_over):
            return
        for signal, value in self._news(worker):
            signal.emit(value)
            # Who listens may have closed the session, or started the next fit.
            if self._worker is not worker:
                return

    def _news(self, worker: FitWorker) -> Iterator[tuple[SignalInstance, object]]:
        # Before the mailboxes: what is left in them once the thread has ended is all there is.
        phase = worker.phase
        # One of them at a time, since each costs a redraw; a preview is rare, so it goes first.
        preview = worker.previews.take()
        if self.corrected is not None:
            # What comes late of the mesh as it was.
            preview = None
            worker.states.take()
        if preview is not None and not phase.is_over:
            yield self.previewed, preview
        elif (state := worker.states.take()) is not None:
            yield self.advanced, state
        if phase is self._last_phase:
            return
        self._last_phase = phase
        movie_result = worker.movie_result if isinstance(worker, MovieWorker) else None
        if phase is Phase.FINISHED and (worker.result or movie_result) is not None:
            assert self._source is not None
            self.result, self.movie_result = worker.result, movie_result
            self.result_placement = self._source.placement
        yield self.phase_changed, phase
        if phase is Phase.FINISHED and movie_result is not None:
            yield self.movie_finished, movie_result
        elif phase is Phase.FINISHED:
            yield self.finished, worker.result
        elif phase is Phase.FAILED:
            yield self.failed, str(worker.error) or type(worker.error).__name__


def _worker_for(
    given: FitInput, checkpoint: Path | None = None, after: FitWorker | None = None
) -> tuple[FitWorker, FitRegion]:
    """Return what fits, and the stack that it fits."""
    region = FitRegion(given.source, given.mesh, given.psf.make, given.whole_up_to)
    worker = FitWorker(
        region.load,
        given.mesh,
        region.psf,
        given.settings,
        checkpoint=checkpoint,
        resume=checkpoint is not None,
        first_stage=given.first_stage,
        after=after,
    )
    return worker, region


def _check_overlap(source: StackSource | FitRegion, mesh: TriangleMesh) -> None:
    placement = source.placement
    lower = placement.origin - 0.5 * placement.spacing
    upper = lower + placement.spacing * source.shape
    # Imported here: the package brings scipy along, which the docks open without.
    from napari_deltamic.imaging.place import check_meets

    check_meets(mesh.vertices, lower, upper, "the mesh", f"the image {source.name!r}")
