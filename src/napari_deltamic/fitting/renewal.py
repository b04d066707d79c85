"""Renewal, every few iterations of a leg, of what is held fixed in between."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch

from napari_deltamic.fitting.learning import settled
from napari_deltamic.fitting.objective import Objective, is_weighted, judged
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.standard_errors import normals

# How much more than the image's noise the misfit of membranes counts for. What no mesh explains,
# such as haze and spots, is no noise; taken for it, it flattened them. They stay where they are
# however uneven they are, whereas an uneven body would move its surface to look so.
_MEMBRANES_NOISIER = 3.0
# The same while a PSF is yet to be learned: the prior shall neither flatten what a wrong PSF
# leaves, nor let the surface crumple to look like a wider one.
_NOISIER = 30.0
# Precision of ratios of brightness that are soon renewed again.
_ROUGHLY = 2e-3
# Shifts of the surface that are tried when optics join, in units of 1 / cutoff.
_OFFSETS = (-0.4, -0.2, -0.1, 0.1, 0.2)


def renewing(
    objective: Objective, prepared: PreparedFit, stage: Stage
) -> Generator[None, None, None]:
    """Renew optics, ratios of brightness, weights, noise and, with them, the misfit.

    The objective and its progress change bit by bit, the mesh only if optics have just joined.
    """
    progress, noise = objective.progress, _noise(objective, prepared)
    optics, base = progress.optics, None
    if optics is not None and objective.variations is not None:
        known = objective.problem, objective.variations
        seen = objective.view(objective.vertices)
        for_optics = settled(*known, prepared, optics, noise, seen)
        objective.problem, objective.variations, base = yield from for_optics
        if progress.here is None:
            least = yield from _least_of(objective, stage)
            progress.mesh = progress.mesh.with_vertices(least.cpu().numpy())
    progress.noise = noise
    yield from objective.solving_ratios(_ROUGHLY)
    yield
    vertices = objective.vertices
    if is_weighted(stage, prepared.settings):
        progress.anchor = progress.mesh.vertices, objective(vertices).brightness
        yield
        yield from objective.weighing(prepared.stack)
    before, progress.here = progress.here, objective(vertices)
    yield
    progress.brightness = progress.here.brightness
    if optics is not None and base is not None:
        progress.optics = optics.renewed(
            base, base + progress.here.shift, prepared.widths, first=before is None
        )
    if before is not None:
        # Only what steps gain counts for the plateau, not a change of the weights.
        change = judged(progress.here, stage) - judged(before, stage)
        progress.leg_losses = [loss + change for loss in progress.leg_losses]


def _noise(objective: Objective, prepared: PreparedFit) -> float:
    """Return what one component of the data now seems to add to the loss."""
    progress, noise = objective.progress, objective.progress.noise
    # Early on the misfit is shape that is yet to be found, not noise, unless most is known.
    is_near = prepared.starts_near or progress.mesh.has_contacts
    is_near |= progress.stage > 0 or progress.leg > 0
    if progress.here is not None and progress.leg_iteration and is_near:
        noise = progress.here.loss / objective.problem.size
    most = np.inf
    if objective.learns_later:
        most = max(_NOISIER * objective.image_noise, noise / _NOISIER)
    elif len(progress.brightness.interior) == 0:
        most = _MEMBRANES_NOISIER * objective.image_noise
    return min(noise, most)


def _least_of(objective: Objective, stage: Stage) -> Generator[None, None, torch.Tensor]:
    """Return the vertices, or those of a thicker or thinner body if they explain the data better.

    A bright surface looks like a body that reaches farther and a narrower blur, so with a wrong
    PSF the membrane is easily taken for dark, from where steps lead back but slowly.
    """
    known, vertices = objective.progress.brightness, objective.vertices
    if not (len(known.membrane) and len(known.interior)):
        return vertices
    outwards = normals(vertices, objective.topology.faces)
    least, found = objective(vertices).objective, vertices
    for offset in _OFFSETS:
        yield
        moved = vertices + offset / stage.cutoff * outwards
        there = objective(moved).objective
        if there < least:
            least, found = there, moved
    return found
