"""One leg of a fit: steps on a fixed set of triangles until they settle."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting import lbfgs
from napari_deltamic.fitting.preconditioner import smoother
from napari_deltamic.fitting.problem import (
    Evaluation,
    Problem,
    Topology,
    band_problem,
    evaluate,
    image_problem,
    model_image,
    solve_brightness,
    topology_of,
)
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.roughness import roughness
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.image_model import Shape, below_nyquist
from napari_deltamic.optics import PSF

# Longest move of a vertex in one step, in units of 1 / cutoff.
_FARTHEST = 0.15
# Iterations between renewals of what is held fixed in between: weights and ratios of brightness.
_RENEWAL = 10
# The plateau is judged over this many iterations.
_WINDOW = 10
# A loss this small is rounding and the mesh's facets, not noise; falling below it is no gain.
_LOSS_FLOOR = 1e-5
# Poisson weights take no voxel for darker than this fraction of the brightest.
_DARKEST = 0.02


def needs_voxels(
    progress: Progress, stack: ImageStack, box: Shape, psf: PSF, stage: Stage, settings: FitSettings
) -> bool:
    """Whether the misfit must be taken on the voxels rather than in the band's modes.

    So it is with a mask, with weights, where the band aliases, and where the object may be cut by
    the stack's border, beyond which nothing is known.
    """
    if stack.mask is not None or _weighted(stage, settings) or not below_nyquist(stage.band, box):
        return True
    last = stack.spacing * (np.array(stack.shape) - 1)
    reach = psf.extent() / 2
    vertices = progress.mesh.vertices
    return bool((vertices < reach).any() or (vertices > last - reach).any())


def run_leg(
    progress: Progress,
    stack: ImageStack,
    box: Shape,
    psf: PSF,
    stage: Stage,
    settings: FitSettings,
    longest: int,
    tolerance: float,
) -> Generator[None, None, str]:
    """Move the mesh step by step, changing ``progress`` in place; yields after each step.

    Parameters
    ----------
    progress
        Where the fit stands; begun in the middle of a leg, it goes on as if never interrupted.
    stack, box, psf, stage, settings
        The problem; the stack's origin is at voxel 0.
    longest
        Iterations after which the leg ends in any case.
    tolerance
        The leg ends when the loss falls by less than this fraction over a window of iterations.

    Returns
    -------
    str
        Why the leg ended.
    """
    topology = topology_of(progress.mesh)
    reach = settings.smoothing / stage.cutoff / stage.edge_length
    smooth = smoother(progress.mesh, reach**2)
    several = max(len(progress.brightness.membrane), len(progress.brightness.interior)) > 1
    weighted = _weighted(stage, settings)
    problem = _problem(progress, topology, stack, box, psf, stage, settings)

    rough = roughness(progress.mesh, stage.offset_width)

    def evaluated(vertices: NDArray[np.float64]) -> Evaluation:
        misfit = evaluate(problem, vertices, topology, progress.brightness)
        energy, gradient = rough.energy(vertices)
        weight = progress.noise
        return misfit._replace(
            gradient=misfit.gradient + weight * gradient, penalty=weight * energy
        )

    while not (reason := _ended(progress, longest, tolerance)):
        if progress.leg_iteration % _RENEWAL == 0:
            vertices = progress.mesh.vertices
            if weighted:
                progress.anchor = vertices, progress.brightness
                problem = _problem(progress, topology, stack, box, psf, stage, settings)
            if several:
                progress.brightness = solve_brightness(
                    problem, vertices, topology, progress.brightness
                )
            if progress.leg_iteration and (progress.stage or progress.leg):
                progress.noise = progress.here.loss / problem.size
            progress.here = evaluated(vertices)
            progress.brightness = progress.here.brightness
        assert progress.here is not None
        taken = lbfgs.step(
            evaluated,
            progress.mesh.vertices,
            progress.here,
            progress.memory,
            smooth,
            _FARTHEST / stage.cutoff,
        )
        if taken is None:
            return "no step lowers the loss any more"
        vertices, progress.here = taken
        progress.mesh = progress.mesh.with_vertices(vertices)
        progress.brightness = progress.here.brightness
        progress.leg_losses.append(progress.here.loss)
        progress.loss_history.append(progress.here.loss)
        progress.leg_iteration += 1
        progress.iteration += 1
        yield
    return reason


def _ended(progress: Progress, longest: int, tolerance: float) -> str:
    losses = progress.leg_losses
    if len(losses) > _WINDOW:
        gain = losses[-1 - _WINDOW] - losses[-1]
        if gain < tolerance * (losses[-1] + _LOSS_FLOOR):
            return f"settled: {_WINDOW} iterations lowered its loss by less than {tolerance:g}"
    if len(losses) >= longest:
        return f"reached the limit of {longest} iterations"
    return ""


def _weighted(stage: Stage, settings: FitSettings) -> bool:
    # Blurred photons are no longer Poisson; only the last stage sees the data as they are.
    return settings.noise == "poisson" and stage.blur == 0


def _problem(
    progress: Progress,
    topology: Topology,
    stack: ImageStack,
    box: Shape,
    psf: PSF,
    stage: Stage,
    settings: FitSettings,
) -> Problem:
    arguments = stack, box, psf, stage, settings.fit_background, settings.backend
    if not progress.on_voxels:
        return band_problem(*arguments)
    problem = image_problem(*arguments)
    if not _weighted(stage, settings) or progress.anchor is None:
        return problem
    # Weights of one over the model make the least-squares solution that of Poisson's likelihood.
    model = model_image(problem, progress.anchor[0], topology, progress.anchor[1], stack)
    return image_problem(*arguments, 1.0 / np.maximum(model, _DARKEST * float(stack.data.max())))
