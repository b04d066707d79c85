"""One leg of a fit: steps on a fixed set of triangles until they settle."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch

from napari_deltamic.fitting import lbfgs
from napari_deltamic.fitting.overlap import overlap
from napari_deltamic.fitting.preconditioner import smoother
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.problem import (
    Brightness,
    Evaluation,
    Problem,
    band_problem,
    evaluate,
    image_problem,
    model_image,
    reweighted,
    solve_brightness,
    topology_of,
)
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.roughness import roughness
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging.image_model import below_nyquist
from napari_deltamic.mesh import TriangleMesh

# Longest move of a vertex in one step, in units of 1 / cutoff.
_FARTHEST = 0.15
# Iterations between renewals of what is held fixed in between: weights and ratios of brightness.
_RENEWAL = 10
# The plateau is judged over this many iterations.
_WINDOW = 10
# Components of the data to a vertex from which on most of the loss is noise.
_DATA_A_VERTEX = 40.0
# A loss this small is rounding and the mesh's facets, not noise; falling below it is no gain.
_LOSS_FLOOR = 1e-5


def needs_voxels(mesh: TriangleMesh, prepared: PreparedFit, stage: Stage) -> bool:
    """Whether the misfit must be taken on the voxels rather than in the band's modes.

    So it is with a mask, with weights, where the band aliases, and where the object may be cut by
    the stack's border, beyond which nothing is known.
    """
    stack, psf = prepared.stack, prepared.psf
    if stack.mask is not None or _weighted(stage, prepared.settings):
        return True
    if not below_nyquist(stage.band, prepared.box):
        return True
    last = stack.spacing * (np.array(stack.shape) - 1)
    reach = psf.extent() / 2
    return bool((mesh.vertices < reach).any() or (mesh.vertices > last - reach).any())


def leg_problem(progress: Progress, prepared: PreparedFit, stage: Stage) -> Problem:
    """Return the problem of a leg, without weights."""
    choose = image_problem if progress.on_voxels else band_problem
    stack, box, psf = prepared.stack, prepared.box, prepared.psf
    return choose(stack, box, psf, stage, prepared.settings.fit_background, progress.backend)


def run_leg(
    progress: Progress, prepared: PreparedFit, stage: Stage, longest: int, tolerance: float
) -> Generator[bool, None, str]:
    """Move the mesh step by step, changing ``progress`` in place.

    Yields True after each step, and False now and then while it prepares the first.

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
    stack, settings = prepared.stack, prepared.settings
    weighted, several = _weighted(stage, settings), _several(progress.brightness)
    problem = leg_problem(progress, prepared, stage)
    device = problem.transform.device
    yield False
    reach = settings.smoothing / stage.cutoff / stage.edge_length
    smooth = smoother(progress.mesh, reach**2, device)
    yield False
    prior = roughness(progress.mesh, stage.offset_width, stage.roughness_order, device)
    topology = topology_of(progress.mesh, device)
    apart = overlap(progress.mesh, topology, stage, prepared.box, stack.spacing, progress.backend)
    if progress.anchor is not None:
        problem = reweighted(problem, model_image(problem, *progress.anchor, topology, stack))
    progress.to(device)
    vertices = torch.tensor(progress.mesh.vertices, device=device)
    yield False

    def evaluated(vertices: torch.Tensor) -> Evaluation:
        misfit = evaluate(problem, vertices, topology, progress.brightness)
        rough, slope = prior.energy(vertices)
        penalty, gradient = progress.noise * rough, misfit.gradient + progress.noise * slope
        if apart is not None:
            shared, slope = apart.energy(vertices)
            penalty, gradient = penalty + shared, gradient + slope
        return misfit._replace(gradient=gradient, penalty=penalty)

    # With far more data than vertices most of the loss is noise, and gains are a small part.
    share = min(1.0, _DATA_A_VERTEX * len(progress.mesh.vertices) / problem.size)
    while not (reason := _ended(progress, longest, tolerance, share)):
        if progress.leg_iteration % _RENEWAL == 0:
            if several:
                progress.brightness = solve_brightness(
                    problem, vertices, topology, progress.brightness
                )
            if weighted:
                progress.anchor = progress.mesh.vertices, evaluated(vertices).brightness
                model = model_image(problem, *progress.anchor, topology, stack)
                problem = reweighted(problem, model)
            # Early on the misfit is shape that is yet to be found, not noise.
            if progress.leg_iteration and (progress.stage or progress.leg):
                assert progress.here is not None
                progress.noise = progress.here.loss / problem.size
            before, progress.here = progress.here, evaluated(vertices)
            progress.brightness = progress.here.brightness
            if before is not None:
                # Only what steps gain counts for the plateau, not a change of the weights.
                change = progress.here.loss - before.loss
                progress.leg_losses = [loss + change for loss in progress.leg_losses]
        assert progress.here is not None
        taken = lbfgs.step(
            evaluated,
            vertices,
            progress.here,
            progress.memory,
            smooth,
            _FARTHEST / stage.cutoff,
        )
        if taken is None:
            reason = "found no step that lowers the loss any more"
            break
        vertices, progress.here = taken
        progress.mesh = progress.mesh.with_vertices(vertices.cpu().numpy())
        progress.brightness = progress.here.brightness
        progress.leg_losses.append(progress.here.loss)
        progress.loss_history.append(progress.here.loss)
        progress.leg_iteration += 1
        progress.iteration += 1
        yield True
    if several:
        # Between renewals a dark component was taken for brighter than it is.
        progress.brightness = solve_brightness(
            problem, progress.mesh.vertices, topology, progress.brightness
        )
    return reason


def _weighted(stage: Stage, settings: FitSettings) -> bool:
    # Blurred photons are no longer Poisson; the last stage takes them as they are.
    return settings.noise == "poisson" and stage.blur == 0


def _ended(progress: Progress, longest: int, tolerance: float, share: float) -> str:
    losses = progress.leg_losses
    if len(losses) > _WINDOW:
        gain = losses[-1 - _WINDOW] - losses[-1]
        if gain < tolerance * (share * losses[-1] + _LOSS_FLOOR):
            return f"settled: {_WINDOW} iterations lowered its loss by less than {tolerance:g}"
    if len(losses) >= longest:
        return f"reached its limit of {longest} iterations on one mesh"
    return ""


def _several(brightness: Brightness) -> bool:
    """Whether there are ratios of brightness to solve for, beyond one scale of each kind."""
    return max(len(brightness.membrane), len(brightness.interior)) > 1
