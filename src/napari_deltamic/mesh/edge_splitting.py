"""New vertices on edges, with the faces at them divided so that the mesh stays conforming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def with_split_edges(
    mesh: TriangleMesh, edges: NDArray[np.int64], positions: NDArray[np.float64]
) -> TriangleMesh:
    """Return the mesh with a vertex more on each of some edges, appended in their order.

    Parameters
    ----------
    mesh
        Any mesh.
    edges
        (N, 2) vertices of edges, none twice.
    positions
        (N, 3) of the new vertices in um. On the edges they leave the surface as it is.
    """
    use = edge_use(mesh.faces)
    stride = len(mesh.vertices)
    keys = use.edges[:, 0] * stride + use.edges[:, 1]
    wanted = edges.min(axis=1) * stride + edges.max(axis=1)
    new_vertex = np.full(len(keys), -1)
    new_vertex[np.searchsorted(keys, wanted)] = stride + np.arange(len(edges))
    vertices = np.concatenate([mesh.vertices, positions])
    on_edges = new_vertex[use.face_edges]
    count = (on_edges >= 0).sum(axis=1)
    faces, labels = [mesh.faces[count == 0]], [mesh.labels[count == 0]]
    # The corner opposite the only edge that is split, or the only one that is not, comes first.
    for splits, first in ((1, on_edges >= 0), (2, on_edges < 0), (3, on_edges >= 0)):
        rows = np.flatnonzero(count == splits)
        turn = (np.argmax(first[rows], axis=1)[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(mesh.faces[rows], turn, axis=1).T
        bc, ca, ab = np.take_along_axis(on_edges[rows], turn, axis=1).T
        if splits == 1:
            parts = [(a, b, bc), (a, bc, c)]
        elif splits == 2:
            parts = [(a, ab, ca), *_quad(vertices, ab, b, c, ca)]
        else:
            parts = [(a, ab, ca), (ab, b, bc), (bc, c, ca), (ab, bc, ca)]
        faces += [np.stack(part, axis=1) for part in parts]
        labels += [mesh.labels[rows]] * len(parts)
    return TriangleMesh(vertices, np.concatenate(faces), np.concatenate(labels))


Corners = NDArray[np.int64]


def _quad(
    vertices: NDArray[np.float64], p: Corners, q: Corners, r: Corners, s: Corners
) -> list[tuple[Corners, Corners, Corners]]:
    """Return the two faces of each quadrilateral, cut along the shorter diagonal."""
    other = np.linalg.norm(vertices[q] - vertices[s], axis=1) < np.linalg.norm(
        vertices[p] - vertices[r], axis=1
    )
    return [(p, q, np.where(other, s, r)), (np.where(other, q, p), r, s)]
