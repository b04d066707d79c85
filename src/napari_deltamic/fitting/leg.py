"""One leg of a fit: steps on a fixed set of triangles until they settle."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting import lbfgs
from napari_deltamic.fitting.densities import topology_of
from napari_deltamic.fitting.guard import Guard
from napari_deltamic.fitting.learning import image_noise as noise_of_image
from napari_deltamic.fitting.learning import linearised
from napari_deltamic.fitting.objective import Objective, is_weighted, judged
from napari_deltamic.fitting.overlap import overlap
from napari_deltamic.fitting.preconditioner import Smoother, making_smoother
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.problem import (
    Problem,
    band_problem,
    frame_problem,
    image_problem,
)
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.renewal import renewing
from napari_deltamic.fitting.roughness import roughness
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.still_light import StillLight
from napari_deltamic.imaging.frame_stack import FrameStack
from napari_deltamic.imaging.image_model import below_nyquist
from napari_deltamic.mesh import TriangleMesh

# Longest move of a vertex in one step, in units of 1 / cutoff.
_FARTHEST = 0.15
# Iterations between renewals of what is held fixed in between: weights and ratios of brightness.
_RENEWAL = 10
# Total blur of data whose spectrum has fallen to a hundredth at the cutoff, in units of 1 / cutoff.
_BLUR_AT_CUTOFF = 0.48
# Of a vertex inside a surface.
_NEIGHBOURS = 6
# The plateau is judged over this many iterations.
_WINDOW = 10
# Components of the data to a vertex from which on most of the loss is noise.
_DATA_A_VERTEX = 40.0
# A loss this small is rounding and the mesh's facets, not noise; falling below it is no gain.
_LOSS_FLOOR = 1e-5


def needs_voxels(mesh: TriangleMesh, prepared: PreparedFit, stage: Stage) -> bool:
    """Whether the misfit must be taken on the voxels rather than in the band's modes.

    So it is with a mask, with weights, where the band aliases, where deeper planes are dimmer, and
    where the object may be cut by the stack's border, beyond which nothing is known.
    """
    stack, psf = prepared.stack, prepared.psf
    settings = prepared.settings
    if isinstance(stack, FrameStack) or stack.mask is not None or prepared.counted is not None:
        return True
    if is_weighted(stage, settings) or settings.fit_attenuation:
        return True
    if not below_nyquist(stage.band, prepared.box):
        return True
    last = stack.spacing * (np.array(stack.shape) - 1)
    reach = psf.extent() / 2
    return bool((mesh.vertices < reach).any() or (mesh.vertices > last - reach).any())


def in_sight(mesh: TriangleMesh, prepared: PreparedFit) -> NDArray[np.bool_]:
    """Return (V,) which vertices send light into the stack.

    Where an object goes on beyond the border nothing is known, and nothing is to be held.
    """
    stack, reach = prepared.stack, prepared.psf.extent()
    last = stack.spacing * (np.array(stack.shape) - 1)
    inside = (mesh.vertices >= -reach) & (mesh.vertices <= last + reach)
    return np.asarray(inside.all(axis=1))


def leg_problem(progress: Progress, prepared: PreparedFit, stage: Stage) -> Problem:
    """Return the problem of a leg, without weights."""
    stack, box, psf, settings = prepared.stack, prepared.box, prepared.psf, prepared.settings
    if isinstance(stack, FrameStack):
        return frame_problem(stack, box, stage, settings.fit_background, progress.backend)
    common = stack, box, psf, stage, settings.fit_background, progress.backend
    if not progress.on_voxels:
        return band_problem(*common)
    problem = image_problem(*common, settings.fit_attenuation, prepared.counted)
    return problem.attenuated(progress.brightness.attenuation)


def run_leg(
    progress: Progress, prepared: PreparedFit, stage: Stage, longest: int, tolerance: float
) -> Generator[None, None, str]:
    """Move the mesh step by step, changing ``progress`` in place.

    Yields after each step, and while it prepares one; in between ``progress`` stays as it is.

    Parameters
    ----------
    progress
        Where the fit stands; begun in the middle of a leg, it goes on as if never interrupted.
    prepared, stage
        The problem.
    longest
        Iterations after which the leg ends in any case.
    tolerance
        The leg ends when the loss falls by less than this fraction over a window of iterations.

    Returns
    -------
    str
        Why the leg ended.
    """
    objective, smooth = yield from _begun(progress, prepared, stage)
    guard = yield from _guard(progress, prepared, _FARTHEST / stage.cutoff)
    # With far more data than vertices most of the loss is noise, and gains are a small part.
    count = len(progress.mesh.vertices) if objective.free is None else int(objective.free.sum())
    share = min(1.0, _DATA_A_VERTEX * count / objective.problem.size)
    while True:
        # Of a copy, because whoever leaves off meanwhile goes on from the step before.
        after = replace(progress, memory=replace(progress.memory))
        objective.progress = after
        reason = _ended(after, prepared, longest, tolerance, share)
        if not reason and not (yield from _moved(objective, prepared, stage, smooth, guard)):
            reason = "found no step that lowers the loss any more"
        if reason:
            # Between renewals a dark component was taken for brighter than it is.
            yield from objective.solving_ratios()
        vars(progress).update(vars(after))
        if reason:
            return reason
        yield


def _moved(
    objective: Objective,
    prepared: PreparedFit,
    stage: Stage,
    smooth: Smoother,
    guard: Guard | None,
) -> Generator[None, None, bool]:
    """Take a step, after a renewal where one is due; False if no step lowers the loss."""
    progress = objective.progress
    if progress.leg_iteration % _RENEWAL == 0:
        yield from renewing(objective, prepared, stage)
    assert progress.here is not None
    taken = yield from lbfgs.stepping(
        objective,
        objective.vertices,
        progress.here,
        progress.memory,
        smooth,
        _FARTHEST / stage.cutoff,
        lbfgs.anything if guard is None else guard.allowed,
    )
    if taken is None:
        return False
    vertices, progress.here = taken
    progress.cleared = None if guard is None else guard.anchor
    progress.mesh = progress.mesh.with_vertices(vertices.cpu().numpy())
    progress.brightness = progress.here.brightness
    if progress.optics is not None:
        progress.optics = progress.optics.moved(progress.here.shift)
    progress.leg_losses = [*progress.leg_losses, judged(progress.here, stage)]
    progress.loss_history = [*progress.loss_history, progress.here.loss]
    progress.leg_iteration += 1
    progress.iteration += 1
    return True


def _metric(
    progress: Progress, prepared: PreparedFit, stage: Stage, device: torch.device
) -> Generator[None, None, Smoother]:
    """Return the metric of a leg's steps."""
    mesh = progress.mesh
    reach = prepared.settings.smoothing / stage.cutoff / stage.edge_length
    # The curvature of the misfit of a blurred membrane, shared out to the vertices.
    data = (stage.cutoff / _BLUR_AT_CUTOFF) ** 2 / len(mesh.vertices)
    prior = 2.0 * progress.leg_noise / stage.offset_width**2
    stiffness = prior / data / _NEIGHBOURS ** (2 * stage.roughness_order)
    stiffness = stiffness if stage.roughness_order == 2 else 0.0
    free = None if prepared.held is None else ~prepared.held
    return (yield from making_smoother(mesh, reach**2, device, stiffness, free))


def _guard(
    progress: Progress, prepared: PreparedFit, farthest: float
) -> Generator[None, None, Guard | None]:
    """Return what keeps steps from leading a surface through itself, if anything shall.

    A free surface that starts far from its object finds it through states that cross: there the
    first stage leaves it alone, and any other until it has parted. Regions that touch start near
    theirs, and would not part again.
    """
    mesh = progress.leg_mesh
    guard = Guard(mesh.faces, farthest, progress.cleared)
    if not mesh.has_contacts:
        yield
        rough = progress.stage == 0 and not prepared.starts_near
        if rough or guard.crossing(mesh.vertices):
            return None
    yield
    return guard


def _begun(
    progress: Progress, prepared: PreparedFit, stage: Stage
) -> Generator[None, None, tuple[Objective, Smoother]]:
    """Return what a leg minimises and in which metric."""
    mesh = progress.mesh
    yield
    problem = leg_problem(progress, prepared, stage)
    device = problem.transform.device
    yield
    smooth = yield from _metric(progress, prepared, stage, device)
    yield
    width, order = stage.offset_width, stage.roughness_order
    started = progress.leg_mesh
    bound = in_sight(started, prepared)
    if prepared.held is not None:
        # Or surfaces that stay would hold on to the lines where they meet those that move.
        bound &= ~prepared.held
    prior = roughness(started, width, order, device, bound)
    topology = topology_of(mesh, device)
    yield
    box, spacing = prepared.box, prepared.stack.spacing
    apart = overlap(mesh, topology, stage, box, spacing, progress.backend)
    yield
    objective = Objective(progress, problem, topology, prior, apart)
    objective.known_light = prepared.known_light
    if prepared.held is not None and prepared.held.any():
        objective.free = torch.tensor(~prepared.held[:, None], device=device)
        objective.still = StillLight(topology, prepared.held)
    objective.image_noise = noise_of_image(problem, prepared.stack, stage)
    objective.learns_later = bool(prepared.quantities) and progress.optics is None
    if progress.optics is not None:
        for_optics = linearised(problem, prepared, progress.optics.base, progress.noise)
        objective.problem, objective.variations = yield from for_optics
    yield
    yield from objective.weighing(prepared.stack)
    progress.to(device)
    return objective, smooth


def _ended(
    progress: Progress, prepared: PreparedFit, longest: int, tolerance: float, share: float
) -> str:
    losses, optics = progress.leg_losses, progress.optics
    if len(losses) > _WINDOW and (optics is None or optics.still(prepared.widths)):
        gain = losses[-1 - _WINDOW] - losses[-1]
        if gain < tolerance * (share * losses[-1] + _LOSS_FLOOR):
            return f"settled: {_WINDOW} iterations lowered its loss by less than {tolerance:g}"
    if len(losses) >= longest:
        return f"reached its limit of {longest} iterations on one mesh"
    return ""
