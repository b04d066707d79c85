"""What the faces of a mesh say about its edges and vertices, without geometry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class EdgeUse(NamedTuple):
    """How faces use the edges of a mesh."""

    edges: NDArray[np.int64]
    """(E, 2) vertex pairs, each ascending, sorted."""
    face_edges: NDArray[np.int64]
    """(F, 3) edge opposite each corner of each face."""
    face_count: NDArray[np.int64]
    """(E,) number of faces at each edge: 1 at a border, 2 inside a surface, 3+ on a triple line."""
    balanced: bool
    """Whether every edge is run through as often in one direction as in the other."""


def edge_use(faces: NDArray[np.int64]) -> EdgeUse:
    """Return the edges of (F, 3) faces and how the faces use them."""
    directed = np.stack([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]], axis=1)
    directed = directed.reshape(-1, 2)
    ascending = directed[:, 0] < directed[:, 1]
    stride = int(faces.max(initial=0)) + 1
    low, high = directed.min(axis=1), directed.max(axis=1)
    keys, inverse, count = np.unique(low * stride + high, return_inverse=True, return_counts=True)
    turns = np.bincount(inverse, np.where(ascending, 1, -1), len(keys))
    edges = np.stack([keys // stride, keys % stride], axis=1)
    return EdgeUse(edges, inverse.reshape(-1, 3), count, bool(np.all(turns == 0)))


def vertex_components(faces: NDArray[np.int64], vertex_count: int) -> NDArray[np.int64]:
    """Return (V,) the connected component of each vertex, numbered from 0."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), (vertex_count, vertex_count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
