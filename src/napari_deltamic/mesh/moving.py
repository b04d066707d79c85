"""Corrections that move the vertices of a mesh and leave its faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from napari_deltamic.mesh.shapes import checked_center, positive_length
from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.mesh.untangling import averaging

# Taubin (1995): a step towards the neighbours' mean, and a slightly longer one back, smooth without
# shrinking.
_TOWARDS, _BACK = 0.5, -0.505
# A drag goes in steps of this part of its radius. Longer ones than 0.65 could fold space.
_STEP = 0.25


def smooth_region(mesh: TriangleMesh, region: int | None = None, steps: int = 10) -> TriangleMesh:
    """Return the mesh with a region's surface smoothed, its volume kept but for a hair.

    Vertices on lines where regions meet are smoothed along these lines, so that contacts stay
    joined. Contacts with neighbours are smoothed too.

    Parameters
    ----------
    mesh
        The mesh.
    region
        Whose surface; None smooths all.
    steps
        How often to go over it. Ten take away what is a few edges long.

    Raises
    ------
    ValueError
        If there is no such region, or steps is less than 1.
    """
    if region is not None and region not in mesh.regions:
        raise ValueError(f"region: {region} is not one of the mesh's regions {mesh.regions}")
    if steps < 1:
        raise ValueError(f"steps: expected 1 or more, got {steps}")
    moves = np.ones(len(mesh.vertices), dtype=bool)
    if region is not None:
        moves[:] = False
        moves[mesh.faces[(mesh.labels == region).any(axis=1)]] = True
    mean, vertices = averaging(mesh), mesh.vertices
    for _ in range(steps):
        for pace in (_TOWARDS, _BACK):
            vertices = vertices + pace * moves[:, None] * (mean @ vertices - vertices)
    return mesh.with_vertices(vertices)


def drag(
    mesh: TriangleMesh, point: ArrayLike, displacement: ArrayLike, radius: float
) -> TriangleMesh:
    """Return the mesh pulled along at a point, like dough.

    What is within the radius moves, the less the farther away it is. All of space is moved by a
    smooth invertible map, so that surfaces do not come to cross, however far the drag goes.

    Parameters
    ----------
    mesh
        The mesh.
    point
        (3,) where it is taken, in um, (z, y, x).
    displacement
        (3,) by how much it moves, in um.
    radius
        How far from the point it still moves, in um.

    Raises
    ------
    ValueError
        If the point or the displacement are not three finite numbers, or the radius not positive.
    """
    start, way = checked_center(point, "point"), checked_center(displacement, "displacement")
    positive_length("radius", radius)
    count = max(1, int(np.ceil(np.linalg.norm(way) / (_STEP * radius))))
    vertices = mesh.vertices
    for number in range(count):
        away = ((vertices - start - number / count * way) ** 2).sum(axis=1) / radius**2
        weight = np.maximum(1.0 - away, 0.0) ** 2
        vertices = vertices + weight[:, None] * way / count
    return mesh.with_vertices(vertices)
