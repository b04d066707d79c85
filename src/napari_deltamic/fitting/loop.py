"""The fit: stages and legs as a stream of states, and the call that runs it to its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.brightness import solve_brightness
from napari_deltamic.fitting.checkpoint import (
    checkpoint_file,
    fingerprint,
    load_checkpoint,
    try_checkpoint,
)
from napari_deltamic.fitting.checks import psf_of
from napari_deltamic.fitting.densities import topology_of
from napari_deltamic.fitting.leg import leg_problem, needs_voxels, run_leg
from napari_deltamic.fitting.optics_report import (
    learned_quantities,
    optics_doubts,
    standard_errors,
)
from napari_deltamic.fitting.part import part_around
from napari_deltamic.fitting.prepared_fit import PreparedFit, prepare
from napari_deltamic.fitting.progress import Optics, Progress
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.state import FitResult, FitState, Intensities
from napari_deltamic.fitting.verdict import doubts
from napari_deltamic.imaging.frame_stack import Recording
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.kernel_threads import thread_count
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.remeshing import remeshing
from napari_deltamic.meshft.backends import is_out_of_memory, release_memory
from napari_deltamic.optics import PSF
from napari_deltamic.torch_threads import torch_threads

_log = logging.getLogger(__name__)

# Before the last stage a rough plateau will do: the next stage looks closer.
_ROUGHER = 10.0
# Tolerances of the legs of a last stage that learns optics, in units of the settings': with the PSF
# given, with its optics free on the same mesh, and with mesh and band chosen anew for what was
# learned. Shape and optics together may fall slowly for a while.
_LEARNING_LEGS = (10.0, 1.0, 0.1)
_SECONDS_BETWEEN_CHECKPOINTS = 8.0
# Of a fit's time, what writing checkpoints may take.
_CHECKPOINTS_SHARE = 0.04


def fit(
    stack: Recording | LazyStack,
    mesh: TriangleMesh,
    psf: PSF | None = None,
    settings: FitSettings | None = None,
    on_state: Callable[[FitState], None] | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    first_stage: int = 0,
) -> FitResult:
    """Move a mesh until its rendering explains a stack.

    Parameters
    ----------
    stack
        The image; or compressed frames of a specimen with how they were acquired, of which the mesh
        then explains each pixel. Frames are fitted in one stage, so the mesh must be nearly right.
        Of a lazy stack only the part around the mesh is read, with room to move and for the blur.
    mesh
        Where to start: one closed surface for each object. Rough is good enough.
    psf
        The blur of the microscope; frames come with theirs, so there it is left out.
    settings
        Choices; the defaults if None.
    on_state
        Called after every iteration, on the thread that fits.
    should_stop
        Asked several times a second; once true, the fit ends with the best mesh so far.
    checkpoint
        File that the progress is written to, now and then and at the end. Where it cannot be
        written the fit goes on, and the result has a warning.
    resume
        Go on from ``checkpoint`` if that file exists, on the same device exactly as if never
        interrupted. All other arguments must be those of the fit that wrote it.
    first_stage
        Stage to begin with, from 0; those before are left out, but never the last one. For a mesh
        that is nearly right already, such as a fitted one that was corrected.

    Returns
    -------
    FitResult
        The mesh, its rendering, the history, and why the fit ended.

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it and says what to do.
    """
    settings = FitSettings() if settings is None else settings
    file = checkpoint_file(checkpoint, resume)
    # A thread that is born while another holds torch to one has one for good, and sums differ.
    psf = psf_of(stack, psf)
    with torch_threads(thread_count()):
        if isinstance(stack, LazyStack):
            stack = part_around(stack, mesh, psf)
        prepared, progress = _begun(stack, mesh, psf, settings, first_stage)
        identity = "" if file is None else fingerprint(stack, mesh, psf, settings, first_stage)
        if file is not None and resume and file.exists():
            progress = load_checkpoint(file, identity)
        try:
            return _run(prepared, progress, on_state, should_stop, file, identity)
        finally:
            release_memory()


def _begun(
    stack: Recording, mesh: TriangleMesh, psf: PSF, settings: FitSettings, first_stage: int
) -> tuple[PreparedFit, Progress]:
    if first_stage < 0:
        raise ValueError(f"first_stage: expected 0 or more, got {first_stage}")
    prepared, progress = prepare(stack, mesh, psf, settings)
    progress.stage = min(first_stage, len(prepared.plan) - 1)
    return prepared, progress


def _run(
    prepared: PreparedFit,
    progress: Progress,
    on_state: Callable[[FitState], None] | None,
    should_stop: Callable[[], bool] | None,
    file: Path | None,
    identity: str,
) -> FitResult:
    states = fit_states(prepared, progress)
    due = time.monotonic() + _SECONDS_BETWEEN_CHECKPOINTS
    stopped = False
    while True:
        if should_stop is not None and should_stop():
            stopped, reason = True, f"stopped by the user at iteration {progress.iteration}"
            break
        try:
            state = next(states)
        except StopIteration as end:
            reason = end.value
            break
        if on_state is not None and state is not None:
            on_state(state)
        if file is not None and time.monotonic() > due:
            due = time.monotonic() + _keep(file, progress, identity)
    states.close()
    if file is not None:
        _keep(file, progress, identity)
    _log.info("fit ended after %d iterations: %s", progress.iteration, reason)
    return result_of(prepared, progress, reason, stopped)


def _keep(file: Path, progress: Progress, identity: str) -> float:
    """Write a checkpoint and return in how many seconds the next is due."""
    began = time.monotonic()
    try_checkpoint(file, progress, identity)
    took = time.monotonic() - began
    return max(_SECONDS_BETWEEN_CHECKPOINTS, took / _CHECKPOINTS_SHARE)


def iter_fit(
    stack: Recording | LazyStack,
    mesh: TriangleMesh,
    psf: PSF | None = None,
    settings: FitSettings | None = None,
) -> Iterator[FitState]:
    """Yield the state after every iteration of a fit; see :func:`fit`.

    Stop whenever you like: the last state holds the best mesh so far.
    """
    settings = FitSettings() if settings is None else settings
    if isinstance(stack, LazyStack):
        stack = part_around(stack, mesh, psf_of(stack, psf))
    yield from filter(None, fit_states(*prepare(stack, mesh, psf, settings)))


def fit_states(prepared: PreparedFit, progress: Progress) -> Generator[FitState | None, None, str]:
    """Run the stages, changing ``progress``; returns why the last one ended.

    Yields None where nothing is new, but the fit may be stopped and later resumed.
    """
    settings, plan = prepared.settings, prepared.plan
    longest = max(1, settings.max_iterations // (2 if settings.remesh else 1))
    while progress.stage < len(plan):
        last = progress.stage == len(plan) - 1
        learns = last and bool(prepared.quantities)
        legs = len(_LEARNING_LEGS) if learns else 2 if settings.remesh else 1
        planned = prepared.with_optics(_planned_optics(progress))
        stage = planned.plan[progress.stage]
        if not progress.begun:
            yield from _begin_leg(planned, progress, stage, learns)
        tolerance = settings.tolerance * (1.0 if last else _ROUGHER)
        if learns:
            tolerance = settings.tolerance * _LEARNING_LEGS[progress.leg]
        steps = leg_steps(planned, progress, stage, longest, tolerance)
        while True:
            done_before = progress.iteration
            try:
                next(steps)
            except StopIteration as end:
                progress.reason = end.value
                break
            done = (progress.leg + progress.leg_iteration / longest) / legs
            overall = (progress.stage + done) / len(plan)
            stepped = progress.iteration > done_before
            yield _state(prepared, progress, overall) if stepped else None
        _log.debug("stage %d, leg %d: %s", progress.stage, progress.leg, progress.reason)
        progress.leg += 1
        if progress.leg == legs:
            progress.stage, progress.leg = progress.stage + 1, 0
        progress.leg_iteration, progress.begun = 0, False
    if progress.optics is not None and progress.optics.deviation is None:
        planned = prepared.with_optics(progress.optics.planned)
        errors = yield from standard_errors(planned, progress, planned.plan[-1])
        progress.optics = progress.optics._replace(deviation=errors)
    if settings.standard_errors and progress.errors is None:
        # Not needed otherwise, and slow to load.
        from napari_deltamic.fitting.shape_errors import shape_errors

        raw = None if progress.optics is None else progress.optics.planned
        planned = prepared.with_optics(raw)
        progress.errors = yield from shape_errors(planned, progress, planned.plan[-1])
    return f"the last stage {progress.reason}"


def leg_steps(
    prepared: PreparedFit, progress: Progress, stage: Stage, longest: int, tolerance: float
) -> Generator[None, None, str]:
    """Run a leg; if the GPU's memory is too small and none was insisted on, the CPU goes on."""
    leg = partial(run_leg, progress, prepared, stage, longest, tolerance)
    try:
        return (yield from leg())
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if progress.backend != "auto":
            raise RuntimeError(
                f"backend: the GPU ran out of memory at iteration {progress.iteration}; with "
                "backend='auto' the CPU would have gone on, and longer edges need less"
            ) from error
    warning = f"the GPU ran out of memory; the CPU went on from iteration {progress.iteration}"
    _log.warning(warning)
    progress.backend = "cpu"
    release_memory()
    progress.warnings.append(warning)
    return (yield from leg())


def _planned_optics(progress: Progress) -> NDArray[np.float64] | None:
    """Return the raw values that the current leg is planned for; None for those given."""
    if progress.optics is None:
        return None
    return progress.optics.planned if progress.begun else progress.optics.now


def _begin_leg(
    prepared: PreparedFit, progress: Progress, stage: Stage, learns: bool
) -> Generator[None, None, None]:
    """Make the leg's mesh; ``progress`` changes at the very end, after the last yield."""
    mesh = progress.mesh
    joining = learns and progress.leg == 1
    if prepared.settings.remesh and not joining:
        mesh = yield from remeshing(mesh, stage.edge_length)
    if progress.leg == 0:
        progress.stage_starts.append(progress.iteration)
    if learns and progress.leg:
        raw = prepared.expected if progress.optics is None else progress.optics.now
        progress.optics = Optics(raw, raw, raw, raw)
    progress.begin_leg(mesh, needs_voxels(mesh, prepared, stage))


def _state(prepared: PreparedFit, progress: Progress, done: float) -> FitState:
    mesh = prepared.placed(progress.mesh)
    intensities = prepared.in_units(progress.brightness)
    optics = None if progress.optics is None else progress.optics.now
    return FitState(
        iteration=progress.iteration,
        stage=progress.stage,
        stages=len(prepared.plan),
        loss=progress.loss_history[-1],
        mesh=mesh,
        intensities=intensities,
        progress=done,
        optics={one.name: one.value for one in learned_quantities(prepared, progress)},
        _render=partial(_rendering, prepared, optics, mesh, intensities, progress.backend),
        _observed=prepared.observed,
    )


def _rendering(
    prepared: PreparedFit,
    optics: NDArray[np.float64] | None,
    mesh: TriangleMesh,
    intensities: Intensities,
    backend: str,
) -> NDArray[np.float32]:
    seen = prepared._replace(psf=prepared.psf_of(optics))
    return seen.rendering(mesh, intensities, backend)()


def result_of(prepared: PreparedFit, progress: Progress, reason: str, stopped: bool) -> FitResult:
    """Return what a fit has come to; if ``stopped``, without looking for what is doubtful."""
    if progress.iteration == 0:
        stage = prepared.plan[0]
        progress.on_voxels = needs_voxels(progress.mesh, prepared, stage)
        problem = leg_problem(progress, prepared, stage)
        progress.brightness = solve_brightness(
            problem,
            progress.mesh.vertices,
            topology_of(progress.mesh, problem.transform.device),
            progress.brightness,
        )
    mesh = prepared.placed(progress.mesh)
    intensities = prepared.in_units(progress.brightness)
    ended = prepared.psf_of(None if progress.optics is None else progress.optics.now)
    seen = prepared._replace(psf=ended)
    optics = learned_quantities(prepared, progress)
    resolution = 0.5 / prepared.plan[-1].cutoff
    doubtful = [] if stopped else doubts(mesh, intensities, resolution) + optics_doubts(optics)
    return FitResult(
        mesh=mesh,
        loss_history=list(progress.loss_history),
        stage_starts=list(progress.stage_starts),
        stop_reason=reason,
        intensities=intensities,
        settings=prepared.settings,
        # Who stops a fit wants it to end now.
        warnings=progress.warnings + doubtful,
        psf=ended,
        _render=cache(seen.rendering(mesh, intensities, progress.backend)),
        optics=optics,
        errors=progress.errors,
        origin=prepared.origin,
    )
