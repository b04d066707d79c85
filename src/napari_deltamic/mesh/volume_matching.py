"""Moving the interfaces of a mesh by a hair, so that its regions get given volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.consistency import unmatched_edges
from napari_deltamic.mesh.edges import edge_lengths
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

_ROUNDS = 50
_TOLERANCE = 1e-10
# Of a vertex' shortest edge: how far it may move in one round.
_LONGEST_STEP = 0.2


def with_volumes(mesh: TriangleMesh, volumes: NDArray[np.float64]) -> TriangleMesh:
    """Return the mesh with its interfaces moved as little as gives the regions these volumes.

    Every interface moves along its normal by the difference of two pressures, one a region: among
    all motions with the same effect on the volumes it is the least, its square summed over area.

    Parameters
    ----------
    mesh
        A mesh whose regions are closed.
    volumes
        (R,) volumes in um^3, in the order of the mesh's regions. What is far from them is only
        approached.
    """
    free = np.ones(len(mesh.vertices), dtype=np.bool_)
    folded = len(unmatched_edges(mesh))
    for _ in range(_ROUNDS):
        missing = volumes - mesh.volumes()
        if np.all(np.abs(missing) <= _TOLERANCE * volumes):
            break
        moved = mesh.with_vertices(mesh.vertices + _step(mesh, missing, free))
        edges = unmatched_edges(moved)
        if len(edges) > folded:
            # The other vertices make up for those that would fold the surface.
            free[mesh.faces[np.isin(mesh.faces, edges).any(axis=1)]] = False
            continue
        mesh, folded = moved, len(edges)
    return mesh


def _step(
    mesh: TriangleMesh, missing: NDArray[np.float64], free: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return (V, 3) one Newton step of the free vertices to regions larger by given volumes."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    count = len(mesh.vertices)
    normals, areas = mesh.face_normals_and_areas()
    vertex_areas = np.bincount(mesh.faces.ravel(), np.repeat(areas / 3.0, 3), count)
    # A region's volume changes by a third of its faces' area vectors times their corners' motion.
    push = np.repeat(normals * areas[:, None] / 3.0, 3, axis=0)
    rows, columns, entries = [], [], []
    for side, sign in ((0, 1.0), (1, -1.0)):
        region = np.repeat(mesh.face_regions[:, side], 3)
        used = region >= 0
        for axis in range(3):
            rows.append(region[used])
            columns.append(3 * mesh.faces.ravel()[used] + axis)
            entries.append(sign * push[used, axis])
    gradient = coo_matrix(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(len(mesh.regions), 3 * count),
    ).tocsr()
    # Vertices that shall stay are a million times stiffer, so that no region is wholly stuck.
    softness = np.where(free, 1.0, 1e-6) / np.maximum(vertex_areas, 1e-12 * vertex_areas.max())
    softness = np.repeat(softness, 3)
    weighted = gradient.multiply(softness).tocsr()
    pressure = np.atleast_1d(spsolve((weighted @ gradient.T).tocsc(), missing))
    step = (weighted.T @ pressure).reshape(-1, 3)
    sides = edge_lengths(mesh)
    shortest = np.full(count, np.inf)
    np.minimum.at(shortest, mesh.faces, np.minimum(sides, np.roll(sides, -1, axis=1)))
    length = np.linalg.norm(step, axis=1)
    shrink = np.min(_LONGEST_STEP * shortest / np.maximum(length, 1e-300), initial=1.0)
    return np.asarray(shrink * step)
