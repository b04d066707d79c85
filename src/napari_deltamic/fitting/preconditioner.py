"""Smoothing of vertex steps by (I + lambda L)^-2 (Nicolet, Jacobson and Jakob, 2021).

Where the prior on wrinkles outweighs the data, a second such factor stands for its curvature, or
quasi-Newton steps would be as short as the stiffest wrinkle allows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.matrices import device_rows
from napari_deltamic.mesh import TriangleMesh, graph_laplacian
from napari_deltamic.mesh.steps import at_once

Smoother = Callable[[torch.Tensor], torch.Tensor]

# The polynomial's largest error, beside a largest value of 1.
_PRECISION = 3e-3
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

    It is symmetric and positive: exact on the CPU, where it is factorised once, and a polynomial of
    L on a GPU, where triangular solves are slow.

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
    make = _factorised if device.type == "cpu" else partial(_polynomial, device=device)
    first = make(laplacian, smoothing)
    # (1 + a x)^2 (1 + b x)^2 ends as (a b)^2 x^4.
    second = float(np.sqrt(stiffness)) / smoothing
    if second < _SOFT:
        return first
    yield
    # One half before and one after, which keeps the whole symmetric.
    root = make(laplacian, second)
    return lambda gradient: root(first(gradient))


def _factorised(laplacian: Any, smoothing: float) -> Smoother:
    from scipy.sparse import csc_matrix, eye
    from scipy.sparse.linalg import splu

    matrix = eye(laplacian.shape[0], format="csc") + smoothing * csc_matrix(laplacian)
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return lambda gradient: torch.from_numpy(factor.solve(factor.solve(gradient.numpy())))


def _polynomial(laplacian: Any, smoothing: float, device: torch.device) -> Smoother:
    from scipy.sparse import eye

    # By Gershgorin's theorem no eigenvalue exceeds twice the largest degree.
    largest = 2.0 * float(laplacian.diagonal().max())
    rows = device_rows(2.0 / largest * laplacian - eye(laplacian.shape[0]), device)
    coefficients = inverse_coefficients(smoothing * largest, _PRECISION)

    # Its square is positive, whatever is left of the error.
    def smooth(gradient: torch.Tensor) -> torch.Tensor:
        once = rows.chebyshev(coefficients, gradient)
        return rows.chebyshev(coefficients, once)

    return smooth


def inverse_coefficients(reach: float, precision: float) -> NDArray[np.float64]:
    """Return Chebyshev coefficients of 1 / (1 + reach * x) on [0, 1] mapped to [-1, 1].

    They are known in closed form: with c = 1 + 2 / reach and r = c - sqrt(c^2 - 1) they fall as
    r^n; the series ends where what is left out is below the precision.
    """
    centre = 1.0 + 2.0 / reach
    root = np.sqrt(centre**2 - 1.0)
    ratio = centre - root
    # 1 / (c + t) = (1 + 2 sum of (-r)^n T_n(t)) / root, and 1 / (1 + reach (1 + t) / 2) is
    # 2 / reach times that.
    scale = 2.0 / (reach * root)
    tail = 2.0 * scale / (1.0 - ratio)
    count = max(2, int(np.ceil(np.log(precision / tail) / np.log(ratio))) + 1)
    coefficients: NDArray[np.float64] = 2.0 * scale * (-ratio) ** np.arange(count)
    coefficients[0] /= 2.0
    return coefficients
