"""The least-squares problem that a fit ends at, as sparse normal equations of shape and brightness.

The derivative of the image in a shift of a vertex reaches only a few widths of the PSF, so it is
held as a sparse column; the misfit's blur is part of it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, Topology, interior_jumps, topology_of
from napari_deltamic.fitting.image_columns import Columns, image_columns, products
from napari_deltamic.fitting.leg import in_sight, leg_problem
from napari_deltamic.fitting.local_inverse import Equations, Matrix
from napari_deltamic.fitting.point_spread_table import point_spread_table
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.problem import (
    Problem,
    density_modes,
    inner,
    model_image,
    otf_frequencies,
    positions_of,
    reweighted,
)
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.roughness import offset_matrix
from napari_deltamic.fitting.shape_unknowns import (
    Unknowns,
    moving_points,
    quadrature,
    shining_points,
    unknowns,
)
from napari_deltamic.fitting.stage_blur import StageBlur
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging.image_model import dimming, image_of_modes
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.edges import median_edge

# The light of a region counts in voxels where it is at least this part of its largest.
_FAINT = 1e-3
# The noise's variance is averaged over so many 1 / cutoff.
_LOCAL = 1.0
_ROUNDS = 3
# Least weight of the prior, beside the data's; without noise it would vanish.
_LEAST_PRIOR = 1e-9
# How far a vertex' neighbourhood reaches at least, in 1 / cutoff.
_HALO = 2.0
# The same in lengths over which the prior hands on what the data say. Measured: standard errors of
# an embryo come out 5 % too small at 2.2, 10 % at 1.8, and by half at 1.
_LENGTHS = 2.2
# The prior's energy goes with this power of a wave's frequency.
_POWER = 8
_NONE = np.empty(0)


class Ended(NamedTuple):
    """Where a fit ended."""

    prepared: PreparedFit
    stage: Stage
    problem: Problem
    """With its weights."""
    mesh: TriangleMesh
    topology: Topology
    brightness: Brightness
    prior: float
    """What the prior's energy counts for beside squared residuals of the voxels."""


def ended(prepared: PreparedFit, progress: Progress, stage: Stage) -> Ended:
    """Return where a fit ended; ``prepared`` and ``stage`` as its last leg had them."""
    problem = leg_problem(progress, prepared, stage)
    mesh = progress.mesh
    topology = topology_of(mesh, problem.transform.device)
    if progress.anchor is not None:
        problem = reweighted(
            problem, model_image(problem, *progress.anchor, topology, prepared.image)
        )
    noise = progress.noise * problem.energy
    if noise == 0.0:
        noise = _residual(problem, progress, topology) / problem.size
    if problem.root is None:
        # Parseval: modes are integrals over the box.
        noise /= float(np.prod(problem.transform.shape) * np.prod(prepared.image.spacing) ** 2)
    return Ended(prepared, stage, problem, mesh, topology, progress.brightness, noise)


class Linearised(NamedTuple):
    """The least-squares problem about where a fit ended."""

    equations: Equations
    """Of shifts, and then of brightness: membrane, interior, background, attenuation, each as far
    as the fit has it."""
    free: Unknowns
    """The shifts."""
    reach: float
    """How far apart shifts may be and still matter much to each other, in um."""
    prior: Any
    """(N, N) sparse, the prior's part of the equations."""
    pull: Matrix
    """(N,) the right-hand side by which the prior holds the shape."""


def normal_equations(fit: Ended) -> Generator[None, None, Linearised]:
    """Return the equations of a fit's unknowns; yields often."""
    from scipy.sparse import identity

    stack, stage, mesh, problem = fit.prepared.image, fit.stage, fit.mesh, fit.problem
    highest = np.array(stage.band) / np.asarray(problem.transform.lengths)
    table = point_spread_table(fit.prepared.psf, _blur(fit), stack.spacing, highest)
    yield
    free, points = unknowns(mesh), quadrature(mesh, highest)
    points_of = moving_points(mesh, free, points, *_light_of_faces(fit))
    yield
    shifts = yield from image_columns(points_of, table, stack)
    light = yield from _light_columns(
        fit, image_columns(shining_points(mesh, points), table, stack)
    )
    # How the misfit weighs each voxel, and how its noise enters.
    weight = _weights(fit)
    variance = yield from _variance(fit)
    weights = np.stack([weight, weight**2 * variance]).astype(np.float32)
    shifts = _dimmed(shifts, fit)
    yield
    sparse, noise = yield from products(shifts, weights)
    borders, corners = [], []
    for which in range(2):
        weighted = light[which].multiply(weights[which][:, None]).tocsr()
        yield
        borders.append(
            (shifts.matrix(which, weight.size).T @ weighted).toarray().astype(np.float64)
        )
        yield
        corners.append((light[which].T @ weighted).toarray().astype(np.float64))
        yield
    offset = _offset(fit)
    across = offset_across(free, offset)
    pull = across.T @ free.along(offset @ mesh.vertices)
    prior = across.T @ across
    prior = (prior + farthest(mesh) ** -2.0 * identity(len(free.vertex))).tocsr()
    yield
    data = float(sparse.diagonal().mean() / prior.diagonal().mean())
    strength = max(fit.prior, _LEAST_PRIOR * data)
    reach = max(_HALO / stage.cutoff, _LENGTHS * _correlation(sparse, strength * prior, mesh))
    sparse = (sparse.astype(np.float64) + strength * prior).tocsr()
    yield
    noise = (noise.astype(np.float64) + strength**2 * prior).tocsr()
    equations = Equations(sparse, borders[0], corners[0], noise, borders[1], corners[1])
    return Linearised(equations, free, reach, strength * prior, strength * pull)


def offset_across(free: Unknowns, offset: Any) -> Any:
    """Return the (N, N) sparse map of N shifts across the surface to offsets across it.

    Those along the surface cost nothing: vertices slide and make up for them.

    Parameters
    ----------
    free
        The shifts.
    offset
        (V, V) sparse: maps positions to what the prior takes for standard normal.
    """
    from scipy.sparse import csr_matrix

    count = len(free.vertex)
    entries = np.ones(count), (np.arange(count), free.vertex)
    of_vertex = csr_matrix(entries, shape=(count, offset.shape[0]))
    pairs = (of_vertex @ offset @ of_vertex.T).tocoo()
    aligned = (free.direction[pairs.row] * free.direction[pairs.col]).sum(axis=1)
    return csr_matrix((pairs.data * aligned, (pairs.row, pairs.col)), shape=pairs.shape)


def _correlation(data: Any, prior: Any, mesh: TriangleMesh) -> float:
    """Return how far shifts of a surface are alike in um: at shorter waves the prior prevails."""
    # Long waves are known by whole rows of the data's matrix, short ones by the prior's diagonal.
    by_data = float(np.median(np.asarray(abs(data).sum(axis=1))))
    by_prior = float(np.median(prior.diagonal()))
    ratio = by_prior / max(by_data, np.finfo(float).tiny)
    return float(min(median_edge(mesh) * ratio ** (1 / _POWER), 2.0 * farthest(mesh)))


def farthest(mesh: TriangleMesh) -> float:
    """Return how far off a vertex may be at most in um; none is lost altogether."""
    return 0.5 * float(np.ptp(mesh.vertices, axis=0).max())


def _light_of_faces(fit: Ended) -> tuple[Matrix, Matrix]:
    """Return (F,) membrane and step of the interior across each face."""
    membrane = jump = np.zeros(len(fit.mesh.faces))
    if len(fit.brightness.membrane):
        membrane = fit.brightness.membrane[fit.mesh.face_interfaces]
    if len(fit.brightness.interior):
        jump = interior_jumps(fit.topology, fit.brightness.interior).cpu().numpy()
    return membrane, jump


def _light_columns(
    fit: Ended, membrane: Generator[None, None, Columns]
) -> Generator[None, None, list[Any]]:
    """Return both (voxels, K) csr matrices of what the linear unknowns look like."""
    from scipy.sparse import csc_matrix, hstack

    stack, problem, bright = fit.prepared.image, fit.problem, fit.brightness
    size = stack.data.size
    parts: list[list[Any]] = [[], []]
    if len(bright.membrane):
        columns = _dimmed((yield from membrane), fit)
        for which in range(2):
            parts[which].append(columns.matrix(which, size))
    blur = _blur(fit).transfer(otf_frequencies(problem.transform)).to(problem.filter.device)
    for unit in np.eye(len(bright.interior)):
        modes = _sharp_modes(fit, Brightness(_NONE, unit, 0.0)) * blur
        for which in range(2):
            image = _image(fit, modes * blur**which).ravel()
            image[np.abs(image) < _FAINT * np.abs(image).max()] = 0.0
            parts[which].append(csc_matrix(image[:, None]))
            yield
    if problem.constant is not None:
        for which in range(2):
            parts[which].append(csc_matrix(np.ones((size, 1), np.float32)))
    if problem.learns_attenuation:
        depth = (stack.spacing[0] * np.arange(stack.shape[0]))[:, None, None]
        modes = _sharp_modes(fit, bright) * blur
        for which in range(2):
            image = -depth * _image(fit, modes * blur**which)
            parts[which].append(csc_matrix(image.reshape(-1, 1)))
            yield
    return [hstack(some, format="csr") if some else csc_matrix((size, 0)).tocsr() for some in parts]


def _blur(fit: Ended) -> StageBlur:
    on_voxels = fit.problem.root is not None
    return StageBlur(fit.stage.blur, fit.prepared.image.spacing if on_voxels else None)


def _sharp_modes(fit: Ended, brightness: Brightness) -> torch.Tensor:
    with torch.no_grad():
        positions = positions_of(fit.problem, fit.mesh.vertices)
        modes = density_modes(fit.problem, positions, fit.topology, brightness)
        return modes * (fit.problem.transfer / fit.problem.filter)


def _image(fit: Ended, modes: torch.Tensor) -> NDArray[np.float32]:
    stack = fit.prepared.image
    image = image_of_modes(modes, fit.problem.transform.shape, stack.spacing, stack.shape)
    image = image * dimming(fit.brightness.attenuation, stack.shape[0], stack.spacing[0]).to(image)
    return np.asarray(image.cpu().numpy())


def _dimmed(columns: Columns, fit: Ended) -> Columns:
    if fit.brightness.attenuation == 0.0:
        return columns
    planes, rows, across = fit.prepared.image.shape
    left = dimming(fit.brightness.attenuation, planes, fit.prepared.image.spacing[0])
    factor = left.numpy().ravel().astype(np.float32)[columns.voxels // (rows * across)]
    return columns._replace(values=columns.values * factor)


def _weights(fit: Ended) -> NDArray[np.float64]:
    """Return (voxels,) what the misfit weighs the squared residual of each voxel by."""
    if fit.problem.root is None:
        return np.ones(fit.prepared.image.data.size)
    return np.asarray(fit.problem.root.double().cpu().numpy().ravel() ** 2)


def _variance(fit: Ended) -> Generator[None, None, NDArray[np.float64]]:
    """Return (voxels,) the variance of the noise, from what the fit leaves.

    A constant and photons, as far as they explain the squared residuals, and what these are more or
    less than that on average around.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import nnls

    stack = fit.prepared.image
    sharp = replace(fit.problem, transfer=fit.problem.transfer / fit.problem.filter)
    model = model_image(sharp, fit.mesh.vertices, fit.brightness, fit.topology, stack)
    yield
    squared = (stack.data - model).astype(np.float64) ** 2
    trusted = np.ones(stack.shape, bool) if stack.mask is None else stack.mask
    # The level that was taken off the data has photons too.
    photons = np.maximum(model - min(float(model[trusted].min()), 0.0), 0.0)
    terms = np.column_stack([np.ones(trusted.sum()), photons[trusted]])
    expected, found = np.full(len(terms), squared[trusted].mean()), np.zeros(2)
    for _ in range(_ROUNDS):
        root = terms / expected[:, None]
        moments = root.T @ (squared[trusted] / expected)
        factor = np.linalg.cholesky(root.T @ root + 1e-12 * np.eye(2) * (root**2).sum(axis=0))
        found, _ = nnls(factor.T, np.linalg.solve(factor, moments))
        expected = np.maximum(terms @ found, 1e-3 * squared[trusted].mean())
        yield
    variance = np.maximum(found[0] + found[1] * photons, 1e-3 * squared[trusted].mean())
    sigma = _LOCAL / fit.stage.cutoff / stack.spacing
    there = gaussian_filter(np.where(trusted, squared, 0.0), sigma)
    yield
    usual = gaussian_filter(np.where(trusted, variance, 0.0), sigma)
    ratio = there / np.maximum(usual, np.finfo(float).tiny)
    return np.asarray(np.where(trusted, variance * ratio, 0.0).ravel())


def _residual(problem: Problem, progress: Progress, topology: Topology) -> float:
    with torch.no_grad():
        positions = positions_of(problem, progress.mesh.vertices)
        modes = density_modes(problem, positions, topology, progress.brightness)
        left = problem.target - problem.project(modes * problem.transfer)
        if problem.constant is not None:
            left = left - progress.brightness.background * problem.constant
        return float(inner(left, left))


def _offset(fit: Ended) -> Any:
    """Return (V, V) the sparse map of positions to what the prior takes for standard normal."""
    stage = fit.stage
    held = in_sight(fit.mesh, fit.prepared)
    return offset_matrix(fit.mesh, stage.roughness_order, held) / stage.offset_width
