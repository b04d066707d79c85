"""What the fit of a movie publishes while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from napari_deltamic.fitting.state import FitState
from napari_deltamic.timelapse.results import FrameResult


@dataclass(frozen=True, eq=False)
class TimelapseState:
    """One moment of a running movie.

    Attributes
    ----------
    frame
        Number of the current frame.
    frames
        How many there are; None if that is not known.
    fit
        The state of the fit of this frame; None while it is made ready or looked at.
    finished
        The frame's result, once, when it is done.
    progress
        Fraction of the movie that is done at least, 0 to 1; of the frame if the number of frames is
        not known.
    """

    frame: int
    frames: int | None
    fit: FitState | None = None
    finished: FrameResult | None = None
    progress: float = 0.0
