"""How well learned optics are determined: their covariance, whatever the shape may be.

A fixed shape would make them look far too certain. Here the part of every derivative that a shift
of the surface along its normals, a change of brightness or the background could explain as well is
taken out first (the Schur complement of the Fisher information), found by conjugate gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, Topology
from napari_deltamic.fitting.misfit import Variations
from napari_deltamic.fitting.preconditioner import Smoother
from napari_deltamic.fitting.problem import (
    Problem,
    density_modes,
    inner,
    otf_frequencies,
    positions_of,
)
from napari_deltamic.fitting.roughness import Roughness
from napari_deltamic.fitting.stage_blur import StageBlur
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.image_model import image_of_modes

# Of a derivative by differences: largest shift of a vertex in units of 1 / cutoff.
_DIFFERENCE = 0.02
_STEPS = 40
# Conjugate gradients end when this many steps explain less than this part of what is left.
_PATIENCE = 4
_WORTHWHILE = 0.01

Vector = torch.Tensor


class Noise(NamedTuple):
    """The noise of the data, independent in each voxel, and how a problem sees it."""

    pulled_back: Callable[[Vector], NDArray[np.float32]]
    """From :func:`pulled_back`."""
    left: NDArray[np.float32]
    """(Z, Y, X) what the fit leaves of the data: a sample of the noise, bright or dark."""


class Shape(NamedTuple):
    """The derivative of a rendering in shifts of the vertices along their normals."""

    forward: Callable[[Vector], Vector]
    """From (V,) shifts in um to the space of the data."""
    adjoint: Callable[[Vector], Vector]
    """The transposed map."""
    offset: Callable[[Vector], Vector]
    """From shifts to (V, 3) what the prior takes for standard normal."""
    offset_adjoint: Callable[[Vector], Vector]
    """The transposed map."""
    smooth: Callable[[Vector], Vector]
    """A positive map of shifts that makes conjugate gradients short."""


def pulled_back(
    problem: Problem, stack: ImageStack, stage: Stage
) -> Callable[[Vector], NDArray[np.float32]]:
    """Return the transpose of the map from the data, (Z, Y, X), to the problem's space."""
    if problem.root is None:
        # Parseval's weights count twice in the filter's square, and must count once inversely.
        blurred = StageBlur(stage.blur).transfer(otf_frequencies(problem.transform))
        back = blurred.to(problem.filter.device).square() / problem.filter
        size = float(np.prod(problem.transform.lengths) * np.prod(stack.spacing))
        box = problem.transform.shape

        def from_modes(vector: Vector) -> NDArray[np.float32]:
            image = image_of_modes(vector * back, box, stack.spacing, stack.shape)
            return np.asarray(size * image.cpu().numpy())

        return from_modes

    mask = np.ones(stack.shape) if stack.mask is None else stack.mask
    trusted, blur = mask.astype(np.float32), StageBlur(stage.blur, stack.spacing)
    coverage = blur.of(trusted)
    weights = problem.root.cpu().numpy() / np.maximum(coverage, 1e-6)

    def from_voxels(vector: Vector) -> NDArray[np.float32]:
        return np.asarray(blur.of(vector.cpu().numpy() * weights) * trusted)

    return from_voxels


def normals(vertices: Vector, faces: Vector) -> Vector:
    """Return (V, 3) unit normals of the vertices, where these lie."""
    # On the CPU, because a GPU sums in any order.
    points, corners = vertices.cpu(), faces.cpu()
    first, second, third = points[corners].unbind(dim=1)
    crossed = torch.linalg.cross(second - first, third - first)
    summed = torch.zeros_like(points)
    for corner in corners.T:
        summed.index_add_(0, corner, crossed)
    return torch.nn.functional.normalize(summed, dim=1).to(vertices)


def shape_derivative(
    problem: Problem,
    vertices: Vector,
    topology: Topology,
    brightness: Brightness,
    prior: Roughness,
    smooth: Smoother,
    cutoff: float,
) -> Shape:
    """Return the derivative of a mesh's rendering in its shape.

    Parameters
    ----------
    problem, topology, brightness
        As for :func:`napari_deltamic.fitting.misfit.evaluate`.
    vertices
        (V, 3) float64 in um from the centre of voxel 0.
    prior, smooth
        Of the mesh.
    cutoff
        Of the stage, in cycles/um.
    """
    outwards = normals(vertices, topology.faces)
    positions = positions_of(problem, vertices).detach().requires_grad_()

    def rendered(positions: Vector) -> Vector:
        modes = density_modes(problem, positions, topology, brightness)
        return problem.project(modes * problem.transfer)

    here = rendered(positions)

    def forward(shift: Vector) -> Vector:
        longest = float(shift.abs().max())
        if longest == 0.0:
            return torch.zeros_like(here)
        step = _DIFFERENCE / cutoff / longest
        move = step * shift[:, None] * outwards
        with torch.no_grad():
            ahead, behind = (
                rendered(positions_of(problem, vertices + sign * move)) for sign in (1, -1)
            )
        return (ahead - behind) / (2.0 * step)

    def adjoint(residual: Vector) -> Vector:
        (pulled,) = torch.autograd.grad(here, positions, residual, retain_graph=True)
        return along(pulled.to(vertices))

    def along(field: Vector) -> Vector:
        return (field * outwards).sum(dim=1)

    return Shape(
        forward,
        adjoint,
        lambda shift: prior.offset(shift[:, None] * outwards) / prior.width,
        lambda offsets: along(prior.adjoint(offsets)) / prior.width,
        lambda shift: along(smooth(shift[:, None] * outwards)),
    )


def covariance(
    problem: Problem,
    light: Vector,
    columns: list[Vector],
    residual: Vector,
    variations: Variations,
    shape: Shape,
    noise: Noise,
) -> Generator[None, None, NDArray[np.float64]]:
    """Return (P, P) the covariance of the raw values; yields after every few transforms.

    Parameters
    ----------
    problem
        At the end of the fit.
    light
        Modes of the fitted mesh.
    columns
        What each of the linear unknowns looks like in the space of the data.
    residual
        What the fit leaves of the data, in that space.
    variations
        The derivatives in the optics; their precision is that of the prior alone.
    shape
        The derivative in the shape.
    noise
        Of the data.

    Notes
    -----
    The misfit is not weighed by the noise's own covariance, so this is the covariance of a least-
    squares estimate under other noise (White's sandwich). What priors keep from moving counts with
    the priors' widths.
    """
    basis = _orthonormal(columns)

    def freed(vector: Vector) -> Vector:
        for one in basis:
            vector = vector - inner(one, vector) * one
        return vector

    each = float(inner(residual, residual)) / problem.size
    prior = each * np.diag(variations.precision)
    slopes, offsets = [], []
    for transfer in variations.transfer:
        slope = freed(problem.project(light * transfer))
        shift = yield from _explained(slope, shape, freed, each)
        slopes.append(slope - freed(shape.forward(shift)))
        offsets.append(shape.offset(shift))
        yield
    rough = each * _gram(offsets)
    information = _gram(slopes) + rough + prior
    # Voxel by voxel, because bright ones may be noisier than others.
    sums = np.array([(noise.pulled_back(slope) * noise.left).ravel() for slope in slopes])
    scatter = np.asarray(sums @ sums.T, dtype=np.float64)
    inverse = np.linalg.pinv(information, hermitian=True)
    found: NDArray[np.float64] = inverse @ (scatter + each * (rough + prior)) @ inverse
    return found


def _explained(
    slope: Vector, shape: Shape, freed: Callable[[Vector], Vector], prior: float
) -> Generator[None, None, Vector]:
    """Return the shifts that explain most of a derivative, as far as the prior lets them."""
    left = shape.adjoint(slope)
    shift = torch.zeros_like(left)
    unexplained, gains = float(inner(slope, slope)), [np.inf] * _PATIENCE
    smoothed = shape.smooth(left)
    direction, size = smoothed, float((left * smoothed).sum())
    for _ in range(_STEPS):
        yield
        if size <= 0.0 or sum(gains[-_PATIENCE:]) < _WORTHWHILE * unexplained:
            break
        seen = shape.adjoint(freed(shape.forward(direction)))
        turned = seen + prior * shape.offset_adjoint(shape.offset(direction))
        curvature = float((direction * turned).sum())
        if curvature <= 0.0:
            break
        length = size / curvature
        shift = shift + length * direction
        left = left - length * turned
        gains.append(length * size)
        unexplained -= gains[-1]
        smoothed = shape.smooth(left)
        before, size = size, float((left * smoothed).sum())
        direction = smoothed + size / before * direction
    return shift


def _orthonormal(columns: list[Vector]) -> list[Vector]:
    basis: list[Vector] = []
    for column in columns:
        whole = float(inner(column, column))
        for one in basis:
            column = column - inner(one, column) * one
        rest = float(inner(column, column))
        # What others explain already is rounding.
        if rest > 1e-8 * whole:
            basis.append(column / rest**0.5)
    return basis


def _gram(vectors: list[Vector]) -> NDArray[np.float64]:
    return np.array([[float(inner(a, b)) for b in vectors] for a in vectors])
