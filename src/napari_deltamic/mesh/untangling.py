"""Taking folds out of a mesh where its regions run through each other at an edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_deltamic.mesh.consistency import unmatched_edges
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

_ROUNDS = 12
# How far a vertex goes towards the mean of its neighbours in one round.
_PACE = 0.5


def untangled(mesh: TriangleMesh) -> TriangleMesh:
    """Return the mesh with its vertices evened out round edges where labels do not match.

    Nothing else moves. Vertices on triple lines go along with their neighbours on the lines. What
    a few rounds do not mend is left.
    """
    edges = unmatched_edges(mesh)
    if len(edges) == 0:
        return mesh
    best, fewest = mesh, len(edges)
    towards = averaging(mesh)
    near = np.zeros(len(mesh.vertices), dtype=np.bool_)
    for _ in range(_ROUNDS):
        near[mesh.faces[np.isin(mesh.faces, edges).any(axis=1)]] = True
        goal = np.asarray(towards @ mesh.vertices)
        moved = mesh.vertices + _PACE * near[:, None] * (goal - mesh.vertices)
        mesh = mesh.with_vertices(moved)
        edges = unmatched_edges(mesh)
        if len(edges) < fewest:
            best, fewest = mesh, len(edges)
        if fewest == 0:
            break
    return best


def averaging(mesh: TriangleMesh) -> Any:
    """Return the sparse (V, V) matrix that takes vertices to the mean of their neighbours."""
    from scipy.sparse import coo_matrix, diags

    use = edge_use(mesh.faces)
    special = use.face_count != 2
    on_line = np.zeros(len(mesh.vertices), dtype=np.bool_)
    on_line[use.edges[special]] = True
    first, second = np.concatenate([use.edges, use.edges[:, ::-1]]).T
    counts = np.tile(special, 2) | ~on_line[first]
    count = len(mesh.vertices)
    graph = coo_matrix((counts.astype(float), (first, second)), (count, count)).tocsr()
    total = np.asarray(graph.sum(axis=1)).ravel()
    return diags(1.0 / np.maximum(total, 1.0)) @ graph
