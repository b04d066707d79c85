"""The graph Laplacian of a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def graph_laplacian(mesh: TriangleMesh) -> csr_matrix:
    """Return the combinatorial Laplacian: each vertex' degree minus its neighbours.

    Every edge counts once, however many faces meet there, so meshes whose edges have one, three
    or more faces are as good as others.

    Returns
    -------
    csr_matrix
        (V, V) float64, symmetric, positive semi-definite; its rows sum to zero.
    """
    from scipy.sparse import csr_matrix

    count = len(mesh.vertices)
    a, b = edge_use(mesh.faces).edges.T
    degree = np.bincount(np.concatenate([a, b]), minlength=count)
    diagonal = np.arange(count)
    rows, columns = np.concatenate([a, b, diagonal]), np.concatenate([b, a, diagonal])
    values = np.concatenate([np.full(2 * len(a), -1.0), degree])
    return csr_matrix((values, (rows, columns)), shape=(count, count))
