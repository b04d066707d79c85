"""What a fit says about the optics that it learned."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, topology_of
from napari_deltamic.fitting.learning import linearised
from napari_deltamic.fitting.leg import in_sight, leg_problem
from napari_deltamic.fitting.preconditioner import smoother
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.problem import (
    density_modes,
    model_image,
    positions_of,
    reweighted,
)
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.roughness import roughness
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.standard_errors import (
    Noise,
    covariance,
    pulled_back,
    shape_derivative,
)
from napari_deltamic.fitting.state import LearnedQuantity

# A standard error above this part of the prior's width is mostly the prior.
_UNDETERMINED = 0.5
# Of the prior's width: nearer than this to a bound is on it.
_AT_BOUND = 1e-3


def learned_quantities(prepared: PreparedFit, progress: Progress) -> list[LearnedQuantity]:
    """Return what was learned of each quantity, in its own unit."""
    optics = progress.optics
    raw = prepared.expected if optics is None else optics.now
    deviations = None if optics is None else optics.deviation
    known = np.full(len(raw), np.nan) if deviations is None else deviations
    lower, upper = prepared.bounds
    return [
        LearnedQuantity(
            quantity.name,
            quantity.unit,
            quantity.value_of(float(start)),
            quantity.value_of(float(value)),
            quantity.deviation_of(float(value), float(deviation)),
            bool(deviation < _UNDETERMINED * quantity.width),
            bool(min(value - least, most - value) < _AT_BOUND * quantity.width),
        )
        for quantity, start, value, deviation, least, most in zip(
            prepared.quantities, prepared.expected, raw, known, lower, upper, strict=True
        )
    ]


def optics_doubts(found: list[LearnedQuantity]) -> list[str]:
    """Return sentences on what the data do not say about the optics."""
    sentences = [
        f"{one.name} ended on its limit of {one.value:.4g}{_unit(one)}; is the PSF's model right "
        "for this image? Otherwise do not learn it"
        for one in found
        if one.at_bound
    ]
    unsure = [
        f"{one.name} ({one.value:.3g} +- {one.standard_error:.2g}{_unit(one)})"
        for one in found
        if np.isfinite(one.standard_error) and not (one.determined or one.at_bound)
    ]
    if unsure:
        sentences.append(
            f"the image does not determine {', '.join(unsure)}: that is hardly more certain than "
            "it was beforehand; do not learn it, or fit an image with finer detail"
        )
    return sentences


def _unit(one: LearnedQuantity) -> str:
    return f" {one.unit}" if one.unit else ""


def standard_errors(
    prepared: PreparedFit, progress: Progress, stage: Stage
) -> Generator[None, None, NDArray[np.float64]]:
    """Return (P,) standard errors of the learned raw values; yields after every few transforms.

    Parameters
    ----------
    prepared, stage
        As the last leg had them.
    progress
        Settled, with optics.
    """
    optics, mesh = progress.optics, progress.mesh
    assert optics is not None
    problem = leg_problem(progress, prepared, stage)
    yield
    # Of unit noise; its strength is that of what the fit leaves.
    problem, variations = yield from linearised(problem, prepared, optics.now, 1.0)
    device = problem.transform.device
    topology = topology_of(mesh, device)
    if progress.anchor is not None:
        model = model_image(problem, *progress.anchor, topology, prepared.image)
        problem = reweighted(problem, model)
    yield
    vertices = torch.tensor(mesh.vertices, device=device)
    brightness = progress.brightness
    width, order = stage.offset_width, stage.roughness_order
    started = progress.leg_mesh
    prior = roughness(started, width, order, device, in_sight(started, prepared))
    reach = prepared.settings.smoothing / stage.cutoff / stage.edge_length
    smooth = smoother(mesh, reach**2, device)
    yield
    shape = shape_derivative(problem, vertices, topology, brightness, prior, smooth, stage.cutoff)
    yield
    nothing = np.empty(0)
    kinds = [
        Brightness(brightness.membrane, nothing, 0.0),
        Brightness(nothing, brightness.interior, 0.0),
    ]
    with torch.no_grad():
        otf = problem.transfer / problem.filter
        sharp = replace(problem, transfer=otf)
        left = prepared.image.data - model_image(
            sharp, mesh.vertices, brightness, topology, prepared.image
        )
        positions = positions_of(problem, vertices)
        modes = [density_modes(problem, positions, topology, kind) for kind in kinds]
        light = modes[0] + modes[1]
        columns = [problem.project(kind * problem.transfer) for kind in modes]
        residual = problem.target - columns[0] - columns[1]
        if problem.constant is not None:
            residual = residual - brightness.background * problem.constant
            columns.append(problem.constant)
    noise = Noise(pulled_back(problem, prepared.image, stage), left)
    found = yield from covariance(problem, light, columns, residual, variations, shape, noise)
    return np.sqrt(np.diag(found))
