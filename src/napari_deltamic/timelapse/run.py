"""The fit of a movie, frame by frame: each starts where the one before ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sized
from pathlib import Path

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF
from napari_deltamic.timelapse.following import Following
from napari_deltamic.timelapse.movies import Movie
from napari_deltamic.timelapse.results import FrameResult, TimelapseResult
from napari_deltamic.timelapse.state import TimelapseState
from napari_deltamic.timelapse.storage import MovieFolder

# A mesh moved with the image has its place and volumes; these fit the finest detail, and twice or
# five times as many change volume errors by less than a fiftieth.
_LATER_ITERATIONS = 12


def fit_timelapse(
    frames: Iterable[ImageStack],
    mesh: TriangleMesh,
    psf: PSF,
    settings: FitSettings | None = None,
    on_state: Callable[[TimelapseState], None] | None = None,
    *,
    later: FitSettings | None = None,
    reseed: bool = True,
    should_stop: Callable[[], bool] | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
) -> TimelapseResult:
    """Fit every frame of a movie, and follow its regions through it.

    Parameters
    ----------
    frames
        The stacks, such as :class:`~napari_deltamic.timelapse.Movie` or a list; one is in memory at
        a time if they are made on demand.
    mesh
        Where the first frame starts; its regions keep their numbers throughout.
    psf
        The blur of the microscope.
    settings
        Choices for the first frame; the defaults if None. What it learns of the optics holds for
        the others.
    on_state
        Called after every iteration and in between, on the thread that fits.
    later
        Choices for the frames after the first; by default those of :func:`later_settings`.
    reseed
        Whether to cut a region in two where the residual shows a new surface across it. If not, or
        if that does not explain the image better, there is a warning only.
    should_stop
        Asked several times a second; once true, the result holds the frames that are finished.
    folder
        Where each finished frame is written to, and the progress of the current one.
    resume
        Go on from what that folder holds, on the same device exactly as if never interrupted. All
        other arguments must be those of the movie that wrote it.

    Returns
    -------
    TimelapseResult
        A mesh for each frame, warnings, tracks, and which regions divided or were lost.

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it and says what to do.
    """
    states = iter_timelapse(
        frames, mesh, psf, settings, later=later, reseed=reseed, folder=folder, resume=resume
    )
    done: list[FrameResult] = []
    try:
        while True:
            if should_stop is not None and should_stop():
                reason = f"stopped by the user after {len(done)} finished frames"
                return TimelapseResult(done, True, reason)
            try:
                state = next(states)
            except StopIteration as end:
                return TimelapseResult(done, False, end.value)
            if state.finished is not None:
                done.append(state.finished)
            if on_state is not None:
                on_state(state)
    finally:
        states.close()


def later_settings(settings: FitSettings) -> FitSettings:
    """Return the choices for frames that start where the one before ended.

    The finest stage only, a few iterations on the faces as they are, and optics as learned.
    """
    return settings.model_copy(
        update={
            "stages": 1,
            "remesh": False,
            "max_iterations": min(settings.max_iterations, _LATER_ITERATIONS),
            "learn": (),
        }
    )


def iter_timelapse(
    frames: Iterable[ImageStack],
    mesh: TriangleMesh,
    psf: PSF,
    settings: FitSettings | None = None,
    *,
    later: FitSettings | None = None,
    reseed: bool = True,
    folder: str | Path | None = None,
    resume: bool = False,
) -> Generator[TimelapseState, None, str]:
    """Yield the state of a movie's fit several times a second; see :func:`fit_timelapse`.

    Close it whenever you like: with a folder the progress is kept. Returns why the movie ended.
    """
    first = FitSettings() if settings is None else settings
    others = later_settings(first) if later is None else later
    if resume and folder is None:
        raise ValueError("resume: there is no folder to go on from; name it")
    store = None if folder is None else MovieFolder(folder)
    run = Following(mesh, psf, first, others, reseed, store, resume)
    total = len(frames) if isinstance(frames, Sized) else None
    if total == 0:
        raise ValueError("frames: there is none; give one stack at least")
    first_number = frames.first if isinstance(frames, Movie) else 0
    for number, stack in enumerate(frames, start=first_number):
        yield from run.frame(number, total, stack)
        if len(run.results[-1].mesh.faces) == 0:
            return f"no region is left after frame {number}"
    count = len(run.results)
    if count == 0:
        raise ValueError("frames: there is none; give one stack at least")
    return f"all {count} frames are fitted" if count > 1 else "the one frame is fitted"
