"""How long the edges of a mesh are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def edge_lengths(mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return (F, 3) lengths in um of the edges that lead to each corner of each face."""
    corners = mesh.vertices[mesh.faces]
    return np.asarray(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2))


def median_edge(mesh: TriangleMesh) -> float:
    """Return the median length of the edges in um, each counted once for every face at it."""
    return float(np.median(edge_lengths(mesh)))
