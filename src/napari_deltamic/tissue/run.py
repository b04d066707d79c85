"""The fit of a tissue that is too large to be fitted at once: block by block, over and over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.checkpoint import checkpoint_file, try_to_keep
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage, finest_seen, object_size, stages
from napari_deltamic.fitting.verdict import doubts
from napari_deltamic.imaging.decimation import decimation_for
from napari_deltamic.imaging.image_model import padded_shape
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.kernel_threads import thread_count
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.remeshing import remeshing
from napari_deltamic.meshft.backends import release_memory
from napari_deltamic.optics import PSF
from napari_deltamic.tissue.block import NO_VOXEL, NOTHING_THERE, Leg, Outcome, Task, block_leg
from napari_deltamic.tissue.checkpoint import identity_of, load_tissue, save_tissue
from napari_deltamic.tissue.checks import checked_tissue
from napari_deltamic.tissue.partition import partition
from napari_deltamic.tissue.progress import TissueProgress, TissueResult, TissueState
from napari_deltamic.torch_threads import torch_threads

_log = logging.getLogger(__name__)

TISSUE_DEFAULTS = {"stages": 1, "max_iterations": 80}
"""Settings of a tissue's fit that differ from those of others; measured, see decision 25."""
CELLS = 150
"""Of a block, unless somebody asks for others: about 2 GB, of which neighbours take a third."""
# Before the last leg of all a rough plateau will do: neighbours move yet.
_ROUGHER = 10.0


class Plan(NamedTuple):
    """What does not change during the fit of a tissue."""

    task: Task
    blocks: list[NDArray[np.int64]]

    @property
    def stages(self) -> list[Stage]:
        """Coarse to fine."""
        return self.task.plan

    @property
    def legs(self) -> int:
        """Legs of each stage; each begins with remeshing."""
        return 2 if self.task.settings.remesh else 1


def fit_tissue(
    stack: LazyStack,
    mesh: TriangleMesh,
    psf: PSF,
    settings: FitSettings | None = None,
    on_state: Callable[[TissueState], None] | None = None,
    *,
    cells: int = CELLS,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> TissueResult:
    """Fit the cells of a tissue in blocks, so that memory is that of one block and the mesh.

    Each stage goes over all blocks in turn. The cells of a block move, together with the faces that
    they share with others; the cells around them are rendered where they are by then. All blocks
    work on one mesh, so that they agree at their seams.

    Parameters
    ----------
    stack
        The image, of which one block at a time is read.
    mesh
        Where to start: cells that nearly have their place, such as those of a label image.
    psf
        The blur of the microscope.
    settings
        Choices; if None the defaults, but with one stage and a third as many iterations. Cells
        that nearly have their place gain nothing from more.
    on_state
        Called after every iteration of a block, on the thread that fits.
    cells
        Most cells of a block.
    should_stop
        Asked several times a second; once true, the fit ends with the mesh so far.
    checkpoint
        File that the progress is written to after each block.
    resume
        Go on from ``checkpoint`` if that file exists. All other arguments must be those of the fit
        that wrote it.

    Returns
    -------
    TissueResult
        One mesh of all cells, their brightness, and why the fit ended.

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it and says what to do.
    """
    settings = FitSettings.model_validate(TISSUE_DEFAULTS) if settings is None else settings
    file = checkpoint_file(checkpoint, resume)
    with torch_threads(thread_count()):
        plan, progress = prepared_tissue(stack, mesh, psf, settings, cells)
        identity = identity_of(stack, mesh, psf, settings, cells)
        if file is not None and resume and file.exists():
            progress = load_tissue(file, identity)

        def keep() -> None:
            if file is not None:
                finished = progress.stage == len(plan.stages)
                save = partial(save_tissue, file, progress, identity, finished)
                try_to_keep(save, file, progress.warnings)

        states = tissue_states(plan, progress, keep)
        try:
            reason, stopped = _run(states, on_state, should_stop)
        finally:
            # A block that is left in the middle takes what it has found with it.
            states.close()
            release_memory()
        keep()
    if not stopped:
        resolution = 0.5 / plan.stages[-1].cutoff
        light = progress.light.of(progress.mesh, settings.label, 0.0, 0.0)
        progress.warnings += doubts(progress.mesh, light, resolution)
    background = float(np.mean([one.background for one in progress.summaries.values()] or [0.0]))
    light = progress.light.of(progress.mesh, settings.label, background, 0.0)
    return TissueResult(
        progress.mesh,
        light,
        plan.blocks,
        progress.summaries,
        reason,
        stopped,
        progress.warnings,
        settings,
        psf,
    )


def prepared_tissue(
    stack: LazyStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings, cells: int
) -> tuple[Plan, TissueProgress]:
    """Return a fit that has not begun, or raise ValueError saying what is wrong with its input."""
    mesh = checked_tissue(stack, mesh, psf, settings, cells)
    blocks = partition(mesh, cells)
    size = object_size(stack, mesh)
    plan = _stages(stack, mesh, psf, settings, size)
    factors = decimation_for(stack, finest_seen(stack, psf))
    task = Task(stack, psf, settings, factors, size, plan)
    return Plan(task, blocks), TissueProgress(mesh, len(blocks))


def last_edge_length(
    stack: LazyStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings
) -> float | None:
    """Return the length in um of a tissue's edges at the end; None if its faces stay."""
    if not settings.remesh:
        return None
    return _stages(stack, mesh, psf, settings, object_size(stack, mesh))[-1].edge_length


def _stages(
    stack: LazyStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings, size: float
) -> list[Stage]:
    box = padded_shape(stack.shape, stack.spacing, np.minimum(psf.extent(), stack.spacing))
    return stages(stack, mesh, psf, box, settings, size)


def tissue_states(
    plan: Plan, progress: TissueProgress, keep: Callable[[], None]
) -> Generator[TissueState | None, None, str]:
    """Go over all stages and blocks, changing ``progress``; ``keep`` is called after each block.

    Yields None where nothing is new, but the fit may be stopped. A block that is left takes what it
    has found with it.
    """
    settings, total = plan.task.settings, len(plan.stages)
    longest = max(1, settings.max_iterations // plan.legs)
    while progress.stage < total:
        last = progress.stage == total - 1
        if not progress.begun:
            if settings.remesh:
                edge = plan.stages[progress.stage].edge_length
                progress.mesh = yield from remeshing(progress.mesh, edge)
            progress.block, progress.begun = 0, True
            keep()
        final = last and progress.leg == plan.legs - 1
        tolerance = settings.tolerance * (1.0 if final else _ROUGHER)
        leg = Leg(progress.stage, progress.leg, longest, tolerance)
        while progress.block < len(plan.blocks):
            began = time.monotonic()
            yield from _block(plan, progress, leg)
            _log.debug(
                "stage %d, leg %d, block %d: %.1f s",
                *(leg.stage, leg.number, progress.block, time.monotonic() - began),
            )
            progress.block += 1
            keep()
        progress.leg, progress.begun = progress.leg + 1, False
        if progress.leg == plan.legs:
            progress.stage, progress.leg = progress.stage + 1, 0
    return progress.stop_reason


def _block(
    plan: Plan, progress: TissueProgress, leg: Leg
) -> Generator[TissueState | None, None, None]:
    own, before = plan.blocks[progress.block], progress.summaries.get(progress.block)
    task = plan.task
    if progress.backend is not None:
        settings = task.settings.model_copy(update={"backend": progress.backend})
        task = task._replace(settings=settings)
    steps = block_leg(
        task,
        leg,
        progress.mesh,
        own,
        progress.light,
        None if before is None else before.background,
        0.0 if before is None else before.noise,
    )
    found: Outcome | None = None
    reason = ""
    done = (progress.stage * plan.legs + progress.leg) * len(plan.blocks) + progress.block
    total = len(plan.stages) * plan.legs * len(plan.blocks)
    try:
        while True:
            try:
                outcome = next(steps)
            except StopIteration as end:
                reason = str(end.value)
                break
            if outcome is None:
                yield None
                continue
            found = outcome
            yield TissueState(
                leg.stage,
                len(plan.stages),
                leg.number,
                plan.legs,
                progress.block,
                len(plan.blocks),
                outcome.iterations,
                outcome.loss,
                done / total,
                progress.mesh,
            )
        if reason in (NOTHING_THERE, NO_VOXEL) and progress.leg == progress.stage == 0:
            regions = ", ".join(str(region) for region in own)
            progress.warnings.append(f"the block of regions {regions} {reason}, so they stayed")
    finally:
        if found is not None:
            progress.take(found, reason)
        release_memory()


def _run(
    states: Generator[TissueState | None, None, str],
    on_state: Callable[[TissueState], None] | None,
    should_stop: Callable[[], bool] | None,
) -> tuple[str, bool]:
    while True:
        if should_stop is not None and should_stop():
            return "stopped by the user", True
        try:
            state = next(states)
        except StopIteration as end:
            return str(end.value), False
        if on_state is not None and state is not None:
            on_state(state)
