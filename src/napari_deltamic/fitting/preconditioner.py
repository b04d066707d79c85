"""Smoothing of vertex steps by (I + lambda L)^-2 (Nicolet, Jacobson and Jakob, 2021)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh, graph_laplacian

Smoother = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def smoother(mesh: TriangleMesh, smoothing: float) -> Smoother:
    """Return the map g -> (I + smoothing * L)^-2 g for (V, 3) arrays; symmetric and positive."""
    from scipy.sparse import eye
    from scipy.sparse.linalg import splu

    matrix = eye(len(mesh.vertices), format="csc") + smoothing * graph_laplacian(mesh).tocsc()
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return lambda gradient: np.asarray(factor.solve(factor.solve(gradient)))
