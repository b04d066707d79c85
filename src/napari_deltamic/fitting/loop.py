"""The fit: stages and legs as a stream of states, and the call that runs it to its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.checkpoint import fingerprint, load_checkpoint, save_checkpoint
from napari_deltamic.fitting.checks import checked_start
from napari_deltamic.fitting.leg import needs_voxels, run_leg
from napari_deltamic.fitting.problem import Brightness
from napari_deltamic.fitting.progress import Progress, begin
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage, stages
from napari_deltamic.fitting.state import FitResult, FitState, Intensities
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.imaging.image_model import Shape, padded_shape
from napari_deltamic.mesh import TriangleMesh, remesh, self_intersections
from napari_deltamic.optics import PSF

_log = logging.getLogger(__name__)

# Before the last stage a rough plateau will do: the next stage looks closer.
_ROUGHER = 10.0
# How far an object that the border cuts may grow beyond it, as a fraction of its seed.
_ROOM = 0.5
# A region this small beside the largest has collapsed.
_VANISHED = 1e-3
_SECONDS_BETWEEN_CHECKPOINTS = 20.0


class _Setting(NamedTuple):
    """What stays the same during a fit.

    The stack is moved to voxel 0, ``level`` is taken off its data and they are scaled to 1.
    """

    stack: ImageStack
    origin: NDArray[np.float64]
    level: float
    scale: float
    box: Shape
    psf: PSF
    settings: FitSettings
    plan: list[Stage]


def fit(
    stack: ImageStack,
    mesh: TriangleMesh,
    psf: PSF,
    settings: FitSettings | None = None,
    on_state: Callable[[FitState], None] | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> FitResult:
    """Move a mesh until its rendering explains a stack.

    Parameters
    ----------
    stack
        The image.
    mesh
        Where to start: one closed surface for each object. Rough is good enough.
    psf
        The blur of the microscope.
    settings
        Choices; the defaults if None.
    on_state
        Called after every iteration, on the thread that fits.
    should_stop
        Asked before every iteration; once true, the fit ends with the best mesh so far.
    checkpoint
        File that the progress is written to, now and then and at the end.
    resume
        Go on from ``checkpoint`` if that file exists, exactly as if never interrupted. All other
        arguments must be those of the fit that wrote it.

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
    file = None if checkpoint is None else Path(checkpoint)
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise ValueError(f"checkpoint: {file} must be a file in a folder that exists; make it")
    if resume and checkpoint is None:
        raise ValueError("resume: there is no checkpoint to go on from; name its file")
    setting, progress = _prepared(stack, mesh, psf, settings)
    identity = "" if file is None else fingerprint(stack, mesh, psf, settings)
    if file is not None and resume and file.exists():
        progress = load_checkpoint(file, identity)
    states = _states(setting, progress)
    saved = time.monotonic()
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
        if on_state is not None:
            on_state(state)
        if file is not None and time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
            save_checkpoint(file, progress, identity)
            saved = time.monotonic()
    if file is not None:
        save_checkpoint(file, progress, identity)
    _log.info("fit ended after %d iterations: %s", progress.iteration, reason)
    return _result(setting, progress, reason, stopped)


def iter_fit(
    stack: ImageStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings | None = None
) -> Iterator[FitState]:
    """Yield the state after every iteration of a fit; see :func:`fit`.

    Stop whenever you like: the last state holds the best mesh so far.
    """
    settings = FitSettings() if settings is None else settings
    yield from _states(*_prepared(stack, mesh, psf, settings))


def _prepared(
    stack: ImageStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings
) -> tuple[_Setting, Progress]:
    mesh = checked_start(stack, mesh, psf)
    level = _level(stack, settings)
    scale = float(np.abs(_trusted(stack) - level).max())
    scaled = (stack.data - np.float32(level)) / np.float32(scale)
    at_zero = ImageStack(scaled, stack.spacing, mask=stack.mask)
    moved = mesh.with_vertices(mesh.vertices - stack.origin)
    box = padded_shape(stack.shape, stack.spacing, psf.extent(), _reach(at_zero, moved))
    plan = stages(at_zero, moved, psf, box, settings)
    setting = _Setting(at_zero, stack.origin, level, scale, box, psf, settings, plan)
    return setting, begin(moved, settings.label)


def _reach(stack: ImageStack, mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return the corners of what the box must hold: the stack, and the mesh with room to grow."""
    last = stack.spacing * (np.array(stack.shape) - 1)
    lower, upper = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    room = _ROOM * (upper - lower)
    inside = (lower >= 0) & (upper <= last)
    return np.stack(
        [
            np.where(inside, 0.0, np.minimum(lower - room, 0.0)),
            np.where(inside, last, np.maximum(upper + room, last)),
        ]
    )


def _trusted(stack: ImageStack) -> NDArray[np.float32]:
    return stack.data if stack.mask is None else stack.data[stack.mask]


def _level(stack: ImageStack, settings: FitSettings) -> float:
    """Return the camera's offset, roughly: in it the sums of single precision lose the object."""
    if not settings.fit_background or settings.noise == "poisson":
        return 0.0
    return float(np.float32(np.median(_trusted(stack))))


def _states(setting: _Setting, progress: Progress) -> Generator[FitState, None, str]:
    """Run the stages, changing ``progress``; returns why the last one ended."""
    stack, _, _, _, box, psf, settings, plan = setting
    legs = 2 if settings.remesh else 1
    reason = "had nothing left to do"
    while progress.stage < len(plan):
        stage = plan[progress.stage]
        last = progress.stage == len(plan) - 1
        if progress.leg_iteration == 0:
            _begin_leg(setting, progress, stage)
        longest = max(1, settings.max_iterations // legs)
        tolerance = settings.tolerance * (1.0 if last else _ROUGHER)
        steps = run_leg(progress, stack, box, psf, stage, settings, longest, tolerance)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                reason = end.value
                break
            done = (progress.leg + progress.leg_iteration / longest) / legs
            yield _state(setting, progress, (progress.stage + done) / len(plan))
        _log.debug("stage %d, leg %d: %s", progress.stage, progress.leg, reason)
        progress.leg += 1
        if progress.leg == legs:
            progress.stage, progress.leg = progress.stage + 1, 0
        progress.leg_iteration = 0
    return f"the last stage {reason}"


def _begin_leg(setting: _Setting, progress: Progress, stage: Stage) -> None:
    stack, _, _, _, box, psf, settings, _ = setting
    if progress.leg == 0:
        progress.stage_starts.append(progress.iteration)
    if settings.remesh:
        progress.mesh = remesh(progress.mesh, stage.edge_length)
    progress.on_voxels = needs_voxels(progress, stack, box, psf, stage, settings)
    progress.here = progress.anchor = None
    progress.leg_losses = []
    progress.memory.forget()


def _state(setting: _Setting, progress: Progress, done: float) -> FitState:
    mesh = _placed(setting, progress)
    intensities = _in_units(setting, progress.brightness)
    return FitState(
        iteration=progress.iteration,
        stage=progress.stage,
        stages=len(setting.plan),
        loss=progress.loss_history[-1],
        mesh=mesh,
        intensities=intensities,
        progress=done,
        _render=lambda: _rendering(setting, mesh, intensities),
    )


def _result(setting: _Setting, progress: Progress, reason: str, stopped: bool) -> FitResult:
    mesh = _placed(setting, progress)
    intensities = _in_units(setting, progress.brightness)
    return FitResult(
        mesh=mesh,
        image=_rendering(setting, mesh, intensities),
        loss_history=list(progress.loss_history),
        stage_starts=list(progress.stage_starts),
        stop_reason=reason,
        intensities=intensities,
        settings=setting.settings,
        warnings=_warnings(setting, mesh, intensities, stopped),
    )


def _placed(setting: _Setting, progress: Progress) -> TriangleMesh:
    return progress.mesh.with_vertices(progress.mesh.vertices + setting.origin)


def _in_units(setting: _Setting, brightness: Brightness) -> Intensities:
    return Intensities(
        setting.scale * brightness.membrane,
        setting.scale * brightness.interior,
        setting.scale * brightness.background + setting.level,
    )


def _rendering(
    setting: _Setting, mesh: TriangleMesh, intensities: Intensities
) -> NDArray[np.float32]:
    return render(
        mesh,
        setting.psf,
        setting.stack.shape,
        setting.stack.spacing,
        setting.origin,
        membrane=intensities.membrane if len(intensities.membrane) else 0.0,
        interior=intensities.interior if len(intensities.interior) else 0.0,
        background=intensities.background,
        tolerance=1e-3,
    )


def _warnings(
    setting: _Setting, mesh: TriangleMesh, intensities: Intensities, stopped: bool
) -> list[str]:
    found = []
    # Who stops a fit wants it to end now, and the check takes seconds on a large mesh.
    crossing = 0 if stopped else len(self_intersections(mesh))
    if crossing:
        found.append(
            f"{crossing} pairs of faces intersect, so volumes are doubtful there; "
            "try a better seed or more stages"
        )
    volumes = mesh.volumes()
    largest = float(volumes.max())
    for region, volume in zip(mesh.regions, volumes, strict=True):
        if volume < _VANISHED * largest:
            found.append(
                f"region {region} has all but vanished; the image may hold nothing at its seed"
            )
    for name in ("membrane", "interior"):
        brightness = getattr(intensities, name)
        if len(brightness) and not np.any(brightness > 0):
            found.append(
                f"the {name} was found dark: the mesh explains none of the image; "
                "is the label right, and does the seed lie on the object?"
            )
    return found
