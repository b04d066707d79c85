"""The fit of one frame as a stream of states, which may begin where the frame before ended."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from napari_deltamic.fitting import loop
from napari_deltamic.fitting.checkpoint import fingerprint, load_checkpoint, try_checkpoint
from napari_deltamic.fitting.optics_report import optics_doubts
from napari_deltamic.fitting.prepared_fit import prepare
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.state import FitResult, FitState, Intensities
from napari_deltamic.fitting.verdict import doubting
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.meshft.backends import release_memory
from napari_deltamic.optics import PSF

_SECONDS_BETWEEN_CHECKPOINTS = 20.0


class Known(NamedTuple):
    """What a frame takes over from the frame before, besides its mesh."""

    intensities: Intensities
    """Its linear unknowns, for the regions and interfaces of the mesh to start from."""
    noise: float
    """What one component of the data adds to the loss, by which the prior is weighed."""


class Fitted(NamedTuple):
    """What the fit of a frame ends with."""

    result: FitResult
    noise: float
    """See :class:`Known`."""


def frame_fit(
    stack: ImageStack,
    mesh: TriangleMesh,
    psf: PSF,
    settings: FitSettings,
    known: Known | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Generator[FitState | None, None, Fitted]:
    """Fit one frame; close it at any yield to leave off, with its progress kept.

    Yields the state after every iteration, and None now and then in between.

    Parameters
    ----------
    stack, mesh, psf, settings
        As for :func:`napari_deltamic.fit`.
    known
        What the frame before says; None for a first frame.
    checkpoint
        File that the progress is written to, now and then, when the fit is left and at its end.
    resume
        Go on from that file, if it exists.
    """
    prepared, progress = prepare(stack, mesh, psf, settings)
    identity = ""
    if checkpoint is not None:
        identity = fingerprint(stack, mesh, psf, settings)
        if resume and checkpoint.exists():
            progress = load_checkpoint(checkpoint, identity)
    if known is not None and progress.iteration == 0 and not progress.begun:
        progress.brightness = prepared.of_units(known.intensities)
        progress.noise = known.noise
    states = loop.fit_states(prepared, progress)
    saved = time.monotonic()
    try:
        while True:
            try:
                state = next(states)
            except StopIteration as end:
                reason = end.value
                break
            yield state
            if checkpoint is not None and time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                try_checkpoint(checkpoint, progress, identity)
                saved = time.monotonic()
        # Guarded steps do not lead a mesh through itself, and to look takes a third of a frame.
        guarded = known is not None and progress.mesh.has_contacts
        result = loop.result_of(prepared, progress, reason, stopped=True)
        if not guarded:
            yield None
            resolution = 0.5 / prepared.plan[-1].cutoff
            doubtful = yield from doubting(result.mesh, result.intensities, resolution)
            warnings = result.warnings + doubtful + optics_doubts(result.optics)
            result = replace(result, warnings=warnings)
        return Fitted(result, progress.noise)
    finally:
        states.close()
        if checkpoint is not None:
            try_checkpoint(checkpoint, progress, identity)
        release_memory()
