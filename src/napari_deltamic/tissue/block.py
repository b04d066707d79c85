"""One leg of the fit of one block: its cells move, their neighbours are only rendered."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.loop import leg_steps
from napari_deltamic.fitting.prepared_fit import PreparedFit, prepare
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.state import Intensities
from napari_deltamic.imaging.decimation import DecimatedPSF, average_width
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF
from napari_deltamic.tissue.light import Light
from napari_deltamic.tissue.piece import Piece, piece_of, within
from napari_deltamic.tissue.window import window_of

# Cells that the stack's border cuts start near their place; neighbours beyond it do not move.
_ROOM = 0.05
# Of the PSF's extent: what lies farther hardly shines here.
_REACH = 0.5
# Averages of equal values differ by rounding.
_EVEN = 2e-6
NOTHING_THERE = "found the same value in all voxels"
NO_VOXEL = "is too small to hold a voxel"


class Task(NamedTuple):
    """What is asked of every leg of a tissue's fit."""

    stack: LazyStack
    psf: PSF
    settings: FitSettings
    factors: NDArray[np.int64]
    """(3,) of how many voxels one is kept, because the PSF leaves nothing finer to be seen."""
    size: float
    """How large a cell may be, in um: what the stages depend on."""
    plan: list[Stage]
    """Those of the whole tissue, with all of its voxels."""


class Leg(NamedTuple):
    """Where in the fit a leg is."""

    stage: int
    number: int
    longest: int
    """Iterations after which it ends in any case."""
    tolerance: float
    """See :func:`~napari_deltamic.fitting.leg.run_leg`."""


class Outcome(NamedTuple):
    """What a leg has come to, whenever it is asked."""

    piece: Piece
    positions: NDArray[np.float64]
    """(N, 3) where the vertices that are not held are now, in um."""
    intensities: Intensities
    loss: float
    noise: float
    iterations: int
    backend: str
    warnings: list[str]


def reach_of(psf: PSF) -> NDArray[np.float64]:
    """Return (3,) how far in um light counts, beyond a block's cells and from its neighbours."""
    return np.asarray(_REACH * psf.extent())


def block_leg(
    task: Task,
    leg: Leg,
    mesh: TriangleMesh,
    own: NDArray[np.int64],
    light: Light,
    background: float | None,
    noise: float,
) -> Generator[Outcome | None, None, str]:
    """Move a block's cells step by step.

    Yields what has been found after each step, and None in between; returns why the leg ended.
    Where the stack is the same everywhere nothing is found, and the cells stay.

    Parameters
    ----------
    task, leg
        What to do.
    mesh
        The tissue, with faces for this leg.
    own
        The block's regions.
    light
        What is known of the tissue's brightness.
    background
        The block's, if it is known.
    noise
        What one component of the block's data added to the loss at its last leg; 0 if unknown.
    """
    reach = reach_of(task.psf)
    # What shines on voxels that count, from both sides of a membrane.
    piece = piece_of(mesh, own, 2.0 * reach)
    yield None
    part, counted = window_of(task.stack, piece, reach, task.factors)
    if np.ptp(part.data) <= _EVEN * np.abs(part.data).max():
        return NOTHING_THERE
    if not counted.any():
        return NO_VOXEL
    yield None
    prepared, progress = _prepared(task, piece, part)
    prepared = prepared._replace(counted=counted, held=piece.held, starts_near=True)
    yield None
    around = float(np.median(part.data)) if background is None else background
    known = light.of(piece.mesh, task.settings.label, around, prepared.scale)
    progress.brightness = prepared.of_units(known)
    prepared = prepared._replace(known_light=light.knows(piece.mesh, task.settings.label, own))
    progress.stage, progress.leg, progress.noise = leg.stage, leg.number, noise
    progress.begin_leg(prepared.start, on_voxels=True)
    steps = leg_steps(prepared, progress, prepared.plan[leg.stage], leg.longest, leg.tolerance)
    moving, done = ~piece.held, 0

    def outcome() -> Outcome:
        return Outcome(
            piece,
            progress.mesh.vertices[moving] + prepared.origin,
            prepared.in_units(progress.brightness),
            np.nan if progress.here is None else progress.here.loss,
            progress.noise,
            progress.iteration,
            progress.backend,
            progress.warnings,
        )

    while True:
        try:
            next(steps)
        except StopIteration as end:
            # Brightness is solved for once more at the very end.
            yield outcome()
            return str(end.value)
        yield outcome() if progress.iteration > done else None
        done = progress.iteration


def _prepared(task: Task, piece: Piece, part: ImageStack) -> tuple[PreparedFit, Progress]:
    """Return the fit of a piece, with a PSF that allows for what was averaged.

    Its stages are the tissue's but for their bands, which go with the box, and their blur, which is
    narrower by the average.
    """
    spacing = task.stack.spacing
    # A window at the border may have held too few voxels to leave any out.
    factors = np.rint(part.spacing / spacing).astype(np.int64)
    psf = DecimatedPSF(task.psf, spacing, factors)
    near = within(piece, part, psf.extent())
    # The band is that of the microscope, for an average takes from noise what it takes from light.
    prepared, progress = prepare(
        part, near, task.psf, task.settings, room=_ROOM, size=task.size, checked=True
    )
    had = float(average_width(spacing, factors).min())
    # In a smaller box the first stage may already be the last.
    own = (len(task.plan) * prepared.plan[:1] + prepared.plan)[-len(task.plan) :]
    plan = [
        stage._replace(
            blur=float(np.sqrt(max(stage.blur**2 - had**2, 0.0))),
            edge_length=whole.edge_length,
            offset_width=whole.offset_width,
            roughness_order=whole.roughness_order,
        )
        for stage, whole in zip(own, task.plan, strict=True)
    ]
    return prepared._replace(psf=psf, plan=plan), progress
