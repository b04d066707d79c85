"""Which cell, and which of its faces, lies under the cursor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.section import plane_sections


def faces_on_line(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    start: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the faces that an infinite line meets.

    Parameters
    ----------
    vertices, faces
        (V, 3) in um and (F, 3).
    start, direction
        (3,) a point of the line in um, and where it runs to.

    Returns
    -------
    faces
        (N,) the faces met.
    positions
        (N,) where, in lengths of ``direction`` from the start.
    entering
        (N,) whether the line runs against the face's normal there.
    """
    first, second, third = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    one, other, offset = second - first, third - first, start - first
    # Moeller and Trumbore: barycentric coordinates by Cramer's rule.
    across = np.cross(direction, other)
    volume = np.einsum("ij,ij->i", one, across)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        u = np.einsum("ij,ij->i", offset, across) / volume
        turned = np.cross(offset, one)
        v = turned @ direction / volume
        position = np.einsum("ij,ij->i", other, turned) / volume
        met = np.flatnonzero((u >= 0) & (v >= 0) & (u + v <= 1))
    # The volume is minus the direction along the normal one x other.
    return met, position[met], volume[met] > 0


def first_face(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    start: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> int | None:
    """Return the face that somebody looking along a line sees; None if there is none.

    Where two lie upon one another it is the one whose front is seen.
    """
    met, position, entering = faces_on_line(vertices, faces, start, direction)
    if len(met) == 0:
        return None
    nearest = position <= position.min() + 1e-6 * max(float(np.ptp(position)), 1e-12)
    return int(met[nearest][np.argmax(entering[nearest])])


def region_at(mesh: TriangleMesh, point: NDArray[np.float64]) -> int:
    """Return the region that a point in um lies in, 0 for the outside; of nested ones the inner."""
    # Along no axis, so that the line runs through no vertices of regular meshes.
    direction = np.array((0.8147, 0.3241, 0.4808))
    met, position, entering = faces_on_line(mesh.vertices, mesh.faces, point, direction)
    met, leaving = met[position > 0], ~entering[position > 0]
    rows, size = mesh.face_regions[met] + 1, len(mesh.regions) + 1
    turns = np.where(leaving, 1, -1)
    winding = np.bincount(rows[:, 0], turns, size) - np.bincount(rows[:, 1], turns, size)
    inside = mesh.regions[winding[1:] > 0.5]
    if len(inside) == 0:
        return 0
    volumes = [abs(float(mesh.region_mesh(int(region)).volumes()[0])) for region in inside]
    return int(inside[int(np.argmin(volumes))])


def face_near(mesh: TriangleMesh, axis: int, point: NDArray[np.float64]) -> int | None:
    """Return the face whose cut with the plane across an axis through a point is nearest to it."""
    sections = plane_sections(mesh.vertices, mesh.faces, axis, [point[axis]])
    if len(sections.faces) == 0:
        return None
    start, end = sections.segments[:, 0], sections.segments[:, 1]
    along, here = end - start, np.delete(point, axis)
    length = np.maximum((along**2).sum(axis=1), 1e-30)
    part = np.clip(((here - start) * along).sum(axis=1) / length, 0.0, 1.0)
    away = start + part[:, None] * along - here
    return int(sections.faces[int(np.argmin((away**2).sum(axis=1)))])
