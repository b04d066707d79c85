"""Smoothing of vertex steps by (I + lambda L)^-2 (Nicolet, Jacobson and Jakob, 2021).

Where the prior on wrinkles outweighs the data, a second such factor stands for its curvature, or
quasi-Newton steps would be as short as the stiffest wrinkle allows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebinterpolate
from numpy.typing import NDArray

from napari_deltamic.fitting.matrices import device_rows
from napari_deltamic.mesh import TriangleMesh, graph_laplacian
from napari_deltamic.mesh.steps import at_once

Smoother = Callable[[torch.Tensor], torch.Tensor]

# Measured on a CPU: a polynomial of fewer terms than this is faster than factors, which fill up, on
# meshes of more vertices than this.
_LONG, _MANY = 128, 20_000
# The polynomial's largest error, beside its least value.
_SHARE = 0.1
_RESOLVED = 0.75
# Of a polynomial that is squared: most terms, and its largest error beside a largest value of 1.
_LONGEST, _PRECISION = 512, 3e-3
# A second factor this near the identity is left out.
_SOFT = 0.02


def smoother(
    mesh: TriangleMesh,
    smoothing: float,
    device: torch.device,
    stiffness: float = 0.0,
    free: NDArray[np.bool_] | None = None,
) -> Smoother:
    """Return a map of (V, 3) float64 tensors of a device: g -> (I + smoothing * L)^-2 g.

    It is symmetric and positive: exact for small meshes on the CPU, where it is factorised once,
    and otherwise a polynomial of L, nearly that.

    Parameters
    ----------
    mesh
        Its edges make the graph Laplacian L.
    smoothing
        See above; without unit.
    device
        Where the tensors are.
    stiffness
        What is to be inverted besides grows as stiffness * L^4 for the finest wrinkles.
    free
        (V,) which vertices move, by default all; the others' gradients count as 0, and so do their
        steps.
    """
    return at_once(making_smoother(mesh, smoothing, device, stiffness, free))


def making_smoother(
    mesh: TriangleMesh,
    smoothing: float,
    device: torch.device,
    stiffness: float = 0.0,
    free: NDArray[np.bool_] | None = None,
) -> Generator[None, None, Smoother]:
    """Do what :func:`smoother` does bit by bit."""
    laplacian = graph_laplacian(mesh).astype(np.float64)
    if free is None:
        return (yield from _making(laplacian, smoothing, device, stiffness))
    rows = np.flatnonzero(free)
    among = yield from _making(laplacian[rows][:, rows], smoothing, device, stiffness)
    place = torch.from_numpy(rows).to(device)

    def smooth(gradient: torch.Tensor) -> torch.Tensor:
        step = torch.zeros_like(gradient)
        step[place] = among(gradient[place])
        return step

    return smooth


def _making(
    laplacian: Any, smoothing: float, device: torch.device, stiffness: float
) -> Generator[None, None, Smoother]:
    # (1 + a x)^2 (1 + b x)^2 ends as (a b)^2 x^4.
    second = float(np.sqrt(stiffness)) / smoothing
    if second < _SOFT:
        second = 0.0
    if device.type != "cpu" or laplacian.shape[0] > _MANY:
        largest = _largest_eigenvalue(laplacian)
        reaches = smoothing * largest, second * largest
        coefficients = inverse_coefficients(reaches)
        if coefficients is not None:
            return _polynomial(laplacian, largest, coefficients, device)
        if device.type != "cpu":
            root = _polynomial(laplacian, largest, root_coefficients(reaches), device)
            # Its square is positive, whatever is left of the error.
            return lambda gradient: root(root(gradient))
    first = _factorised(laplacian, smoothing)
    if second == 0.0:
        return first
    yield
    # One half before and one after, which keeps the whole symmetric.
    root = _factorised(laplacian, second)
    return lambda gradient: root(first(gradient))


def _factorised(laplacian: Any, smoothing: float) -> Smoother:
    from scipy.sparse import csc_matrix, eye
    from scipy.sparse.linalg import splu

    matrix = eye(laplacian.shape[0], format="csc") + smoothing * csc_matrix(laplacian)
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return lambda gradient: torch.from_numpy(factor.solve(factor.solve(gradient.numpy())))


def _polynomial(
    laplacian: Any, largest: float, coefficients: NDArray[np.float64], device: torch.device
) -> Smoother:
    from scipy.sparse import eye

    rows = device_rows(2.0 / largest * laplacian - eye(laplacian.shape[0]), device)
    return lambda gradient: rows.chebyshev(coefficients, gradient)


def _largest_eigenvalue(laplacian: Any) -> float:
    """Return a bound: the sum of the degrees at some edge (Anderson and Morley, 1985).

    Of edges to vertices that were left out only one end counts.
    """
    degree = laplacian.diagonal()
    rows, columns = laplacian.nonzero()
    edges = rows != columns
    alone = float(degree.max(initial=1.0))
    return float((degree[rows] + degree[columns])[edges].max(initial=alone))


def inverse_coefficients(reaches: Sequence[float]) -> NDArray[np.float64] | None:
    """Return Chebyshev coefficients of the product of (1 + reach * x)^-2 on [0, 1].

    The interval is mapped to [-1, 1]. The series ends where what is left out is a small part of the
    least value, so that it stays positive; None if that would take too many terms.
    """
    coefficients = chebinterpolate(cast(Any, _inverse(reaches, 2)), _LONG)
    left = np.cumsum(np.abs(coefficients)[::-1])[::-1]
    least = float(np.prod([1.0 + reach for reach in reaches])) ** -2
    count = max(2, int(np.searchsorted(-left, -_SHARE * least)))
    # Near its end a series that is too short holds what it could not resolve.
    return np.asarray(coefficients[:count]) if count < _RESOLVED * _LONG else None


def root_coefficients(reaches: Sequence[float]) -> NDArray[np.float64]:
    """Return the same of the product of (1 + reach * x)^-1, up to a small part of the largest."""
    coefficients = chebinterpolate(cast(Any, _inverse(reaches, 1)), _LONGEST)
    left = np.cumsum(np.abs(coefficients)[::-1])[::-1]
    return np.asarray(coefficients[: max(2, int(np.searchsorted(-left, -_PRECISION)))])


def _inverse(reaches: Sequence[float], power: int) -> Callable[[Any], Any]:
    def value(place: NDArray[np.float64]) -> NDArray[np.float64]:
        factors = [1.0 + reach * (place + 1.0) / 2.0 for reach in reaches]
        return np.asarray(np.prod(factors, axis=0) ** float(-power))

    return value
