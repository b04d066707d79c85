"""One leg of a fit: steps on a fixed set of triangles until they settle."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting import lbfgs
from napari_deltamic.fitting.brightness import solve_brightness
from napari_deltamic.fitting.densities import Topology, topology_of
from napari_deltamic.fitting.guard import Guard
from napari_deltamic.fitting.learning import View, linearised, settled
from napari_deltamic.fitting.learning import image_noise as noise_of_image
from napari_deltamic.fitting.misfit import Evaluation, Variations, evaluate
from napari_deltamic.fitting.overlap import Overlap, overlap
from napari_deltamic.fitting.preconditioner import Smoother, smoother
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.problem import (
    Problem,
    band_problem,
    image_problem,
    model_image,
    reweighted,
)
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.roughness import Roughness, roughness
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.standard_errors import normals
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.image_model import below_nyquist
from napari_deltamic.mesh import TriangleMesh

_Found = TypeVar("_Found")

# Longest move of a vertex in one step, in units of 1 / cutoff.
_FARTHEST = 0.15
# Iterations between renewals of what is held fixed in between: weights and ratios of brightness.
_RENEWAL = 10
# While a PSF is yet to be learned, how much more than the image's noise the misfit counts for.
_NOISIER = 30.0
# Shifts of the surface that are tried when optics join, in units of 1 / cutoff.
_OFFSETS = (-0.4, -0.2, -0.1, 0.1, 0.2)
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
    if stack.mask is not None or is_weighted(stage, settings) or settings.fit_attenuation:
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
    common = stack, box, psf, stage, settings.fit_background, progress.backend
    if not progress.on_voxels:
        return band_problem(*common)
    problem = image_problem(*common, settings.fit_attenuation)
    return problem.attenuated(progress.brightness.attenuation)


def run_leg(
    progress: Progress, prepared: PreparedFit, stage: Stage, longest: int, tolerance: float
) -> Generator[bool, None, str]:
    """Move the mesh step by step, changing ``progress`` in place.

    Yields True after each step, and False now and then while it prepares one.

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
    vertices = torch.tensor(progress.mesh.vertices, device=objective.topology.faces.device)
    # With far more data than vertices most of the loss is noise, and gains are a small part.
    guard = _guard(progress, _FARTHEST / stage.cutoff)
    allowed = guard.allowed if guard is not None else _anything
    share = min(1.0, _DATA_A_VERTEX * len(progress.mesh.vertices) / objective.problem.size)
    while not (reason := _ended(progress, prepared, longest, tolerance, share)):
        if progress.leg_iteration % _RENEWAL == 0:
            vertices = yield from _renew(objective, vertices, prepared, stage)
        assert progress.here is not None
        taken = lbfgs.step(
            objective,
            vertices,
            progress.here,
            progress.memory,
            smooth,
            _FARTHEST / stage.cutoff,
            allowed,
        )
        if taken is None:
            reason = "found no step that lowers the loss any more"
            break
        vertices, progress.here = taken
        progress.cleared = None if guard is None else guard.anchor
        progress.mesh = progress.mesh.with_vertices(vertices.cpu().numpy())
        progress.brightness = progress.here.brightness
        if progress.optics is not None:
            progress.optics = progress.optics.moved(progress.here.shift)
        progress.leg_losses.append(_judged(progress.here, stage))
        progress.loss_history.append(progress.here.loss)
        progress.leg_iteration += 1
        progress.iteration += 1
        yield True
    # Between renewals a dark component was taken for brighter than it is.
    objective.solve_ratios(vertices)
    return reason


@dataclass
class _Objective:
    """What a leg minimises; what is held fixed between renewals changes in place."""

    progress: Progress
    problem: Problem
    topology: Topology
    prior: Roughness
    apart: Overlap | None
    variations: Variations | None = None
    image_noise: float | None = None
    """That of the data, while the misfit is mostly that of optics yet to be learned."""

    def __call__(self, vertices: torch.Tensor) -> Evaluation:
        noise = self.progress.noise
        misfit = evaluate(self.problem, *self.view(vertices), self.variations)
        rough, slope = self.prior.energy(vertices)
        penalty, gradient = misfit.penalty + noise * rough, misfit.gradient + noise * slope
        if self.apart is not None:
            shared, slope = self.apart.energy(vertices)
            penalty, gradient = penalty + shared, gradient + slope
        return misfit._replace(gradient=gradient, penalty=penalty)

    def view(self, vertices: torch.Tensor) -> View:
        """Return a mesh as it is looked at now."""
        return View(vertices, self.topology, self.progress.brightness)

    def weigh(self, stack: ImageStack) -> None:
        """Take the weights from the progress' anchor, if it has one."""
        if self.progress.anchor is not None:
            model = model_image(self.problem, *self.progress.anchor, self.topology, stack)
            self.problem = reweighted(self.problem, model)

    def solve_ratios(self, vertices: torch.Tensor) -> None:
        """Solve for the ratios of brightness, if there is more than one scale of each kind."""
        known = self.progress.brightness
        if max(len(known.membrane), len(known.interior)) > 1 or self.problem.learns_attenuation:
            solved = solve_brightness(self.problem, vertices, self.topology, known)
            self.progress.brightness = solved
            self.problem = self.problem.attenuated(solved.attenuation)


def metric(
    progress: Progress, prepared: PreparedFit, stage: Stage, device: torch.device
) -> Smoother:
    """Return the metric of a leg's steps."""
    mesh = progress.mesh
    reach = prepared.settings.smoothing / stage.cutoff / stage.edge_length
    # The curvature of the misfit of a blurred membrane, shared out to the vertices.
    data = (stage.cutoff / _BLUR_AT_CUTOFF) ** 2 / len(mesh.vertices)
    prior = 2.0 * progress.leg_noise / stage.offset_width**2
    stiffness = prior / data / _NEIGHBOURS ** (2 * stage.roughness_order)
    return smoother(mesh, reach**2, device, stiffness if stage.roughness_order == 2 else 0.0)


def _anything(position: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return step


def _guard(progress: Progress, farthest: float) -> Guard | None:
    """Return what keeps steps from leading a surface through itself, if anything shall.

    A free surface that starts far from its object finds it through states that cross: there the
    first stage leaves it alone, and any other until it has parted. Regions that touch start near
    theirs, and would not part again.
    """
    mesh = progress.leg_mesh
    guard = Guard(mesh.faces, farthest, progress.cleared)
    if not mesh.has_contacts and (progress.stage == 0 or guard.crossing(mesh.vertices)):
        return None
    return guard


def _begun(
    progress: Progress, prepared: PreparedFit, stage: Stage
) -> Generator[bool, None, tuple[_Objective, Smoother]]:
    """Return what a leg minimises and in which metric; yields False now and then."""
    mesh = progress.mesh
    problem = leg_problem(progress, prepared, stage)
    device = problem.transform.device
    yield False
    smooth = metric(progress, prepared, stage, device)
    yield False
    width, order = stage.offset_width, stage.roughness_order
    started = progress.leg_mesh
    prior = roughness(started, width, order, device, in_sight(started, prepared))
    topology = topology_of(mesh, device)
    box, spacing = prepared.box, prepared.stack.spacing
    apart = overlap(mesh, topology, stage, box, spacing, progress.backend)
    objective = _Objective(progress, problem, topology, prior, apart)
    if prepared.quantities and progress.optics is None:
        objective.image_noise = noise_of_image(problem, prepared.stack, stage)
    if progress.optics is not None:
        for_optics = linearised(problem, prepared, progress.optics.base, progress.noise)
        objective.problem, objective.variations = yield from _slowly(for_optics)
    objective.weigh(prepared.stack)
    progress.to(device)
    yield False
    return objective, smooth


def _renew(
    objective: _Objective, vertices: torch.Tensor, prepared: PreparedFit, stage: Stage
) -> Generator[bool, None, torch.Tensor]:
    """Renew optics, ratios of brightness, weights, noise and, with them, the misfit.

    Returns the vertices, which are others if optics have just joined; ``progress`` changes after
    the last yield.
    """
    progress, noise = objective.progress, objective.progress.noise
    # Early on the misfit is shape that is yet to be found, not noise, unless most is known.
    is_near = progress.stage or progress.leg or progress.mesh.has_contacts
    if progress.here is not None and progress.leg_iteration and is_near:
        noise = progress.here.loss / objective.problem.size
    if objective.image_noise is not None:
        # Not so strong a prior that it flattens what a wrong PSF leaves, nor so weak that the
        # surface crumples to look like a wider one.
        noise = min(noise, max(_NOISIER * objective.image_noise, noise / _NOISIER))
    optics, base = progress.optics, None
    if optics is not None and objective.variations is not None:
        known = objective.problem, objective.variations
        for_optics = settled(*known, prepared, optics, noise, objective.view(vertices))
        objective.problem, objective.variations, base = yield from _slowly(for_optics)
        if progress.here is None:
            vertices = yield from _least_of(objective, vertices, stage)
            progress.mesh = progress.mesh.with_vertices(vertices.cpu().numpy())
    progress.noise = noise
    objective.solve_ratios(vertices)
    if is_weighted(stage, prepared.settings):
        progress.anchor = progress.mesh.vertices, objective(vertices).brightness
        objective.weigh(prepared.stack)
    before, progress.here = progress.here, objective(vertices)
    progress.brightness = progress.here.brightness
    if optics is not None and base is not None:
        progress.optics = optics.renewed(
            base, base + progress.here.shift, prepared.widths, first=before is None
        )
    if before is not None:
        # Only what steps gain counts for the plateau, not a change of the weights.
        change = _judged(progress.here, stage) - _judged(before, stage)
        progress.leg_losses = [loss + change for loss in progress.leg_losses]
    return vertices


def _least_of(
    objective: _Objective, vertices: torch.Tensor, stage: Stage
) -> Generator[bool, None, torch.Tensor]:
    """Return the vertices, or those of a thicker or thinner body if they explain the data better.

    A bright surface looks like a body that reaches farther and a narrower blur, so with a wrong
    PSF the membrane is easily taken for dark, from where steps lead back but slowly.
    """
    known = objective.progress.brightness
    if not (len(known.membrane) and len(known.interior)):
        return vertices
    outwards = normals(vertices, objective.topology.faces)
    least, found = objective(vertices).objective, vertices
    for offset in _OFFSETS:
        yield False
        moved = vertices + offset / stage.cutoff * outwards
        there = objective(moved).objective
        if there < least:
            least, found = there, moved
    return found


def is_weighted(stage: Stage, settings: FitSettings) -> bool:
    """Whether a stage weighs voxels by how many photons they hold."""
    # Blurred photons are no longer Poisson; the last stage takes them as they are.
    return settings.noise == "poisson" and stage.blur == 0


def _slowly(steps: Generator[None, None, _Found]) -> Generator[bool, None, _Found]:
    """Run what yields None, saying each time that no step was done."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _Found = end.value
            return found
        yield False


def _judged(here: Evaluation, stage: Stage) -> float:
    """Return what must have settled for a leg to end.

    A prior that is renewed may raise the misfit while all goes well. The first stages of a free
    surface need not wait for theirs: the next one has another.
    """
    return here.objective if stage.roughness_order == 2 else here.loss


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
