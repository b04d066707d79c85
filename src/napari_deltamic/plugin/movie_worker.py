"""The fit of a whole movie in one thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.fit_worker import FitWorker
from napari_deltamic.plugin.history import History
from napari_deltamic.plugin.spatial import StackSource

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitSettings, FitState
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.optics import PSF
    from napari_deltamic.timelapse import Movie, TimelapseResult, TimelapseState


@dataclass(frozen=True, eq=False)
class MovieSource:
    """The frames of a layer with a time axis, from one on, and where they lie.

    Attributes
    ----------
    source
        The first of the frames to fit.
    data
        (T, Z, Y, X) all frames of the layer.
    first
        Number of the first frame to fit.
    interval, start
        World coordinates of frame t are ``start + interval * t``.
    time_options
        The layer's unit and label of the time axis.
    """

    source: StackSource
    data: Any
    first: int
    interval: float
    start: float
    time_options: tuple[Any, str]

    def __len__(self) -> int:
        return int(self.data.shape[0]) - self.first

    def load(self) -> Movie:
        """Return the frames, each of which is loaded when it is asked for."""
        from napari_deltamic.timelapse import Movie

        place = self.source.placement
        return Movie(self.data, place.spacing, place.origin, start=self.first)


class MovieWorker(FitWorker):
    """Fits one frame after the other; otherwise like the worker of a single fit.

    Parameters
    ----------
    movie
        What to fit.
    mesh, make_psf, settings
        As for a single fit; the mesh is for the first frame.
    folder
        Where finished frames are written to, if anywhere.
    resume
        Whether to go on from what that folder holds.

    Attributes
    ----------
    frame
        The frame that is fitted now, counted from the layer's first.
    movie_result
        What the fit returned; None until it finished, and if no frame did.
    folder
        As given.
    """

    def __init__(
        self,
        movie: MovieSource,
        mesh: TriangleMesh,
        make_psf: Callable[[], PSF],
        settings: FitSettings,
        folder: Path | None = None,
        resume: bool = False,
    ) -> None:
        super().__init__(movie.source.load, mesh, make_psf, settings)
        self.movie = movie
        self.frame = movie.first
        self.movie_result: TimelapseResult | None = None
        self.folder, self._resume = folder, resume
        self._last_frame = -1

    def _fit(self) -> None:
        if not engine.wait_until_ready(self._should_stop):
            return
        # Imported here: the module pulls in torch.
        from napari_deltamic import timelapse

        frames, psf = self.movie.load(), self._make_psf()
        if self._should_stop():
            return
        self._began = True
        self.pace.begin()
        result = timelapse.fit_timelapse(
            frames,
            self._mesh,
            psf,
            self.settings,
            self._on_movie_state,
            should_stop=self._should_stop,
            folder=self.folder,
            resume=self._resume,
        )
        if result.frames:
            self.movie_result = result

    def _on_movie_state(self, state: TimelapseState) -> None:
        self.frame = state.frame
        if state.fit is not None:
            self._on_state(state.fit, state.progress)
        self.progress = state.progress

    def _note_stage(self, state: FitState) -> None:
        if self.frame != self._last_frame:
            self._last_frame = self.frame
            self.stage_starts.append(len(self.losses))
            self.history = History()
