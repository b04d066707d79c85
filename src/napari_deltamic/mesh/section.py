"""Exact cross-sections of a mesh with planes across an axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh


class Sections(NamedTuple):
    """The segments in which the faces of a mesh cross a set of parallel planes."""

    segments: NDArray[np.float64]
    """(N, 2, 2) start and end in um, in the two remaining axes in (z, y, x) order."""
    planes: NDArray[np.int64]
    """(N,) index of the plane of each segment."""
    faces: NDArray[np.int64]
    """(N,) index of the face of each segment."""


def plane_section(mesh: TriangleMesh, axis: int, position: float) -> NDArray[np.float64]:
    """Return the segments in which a mesh crosses the plane ``coordinate[axis] == position``.

    Parameters
    ----------
    mesh
        The mesh, open or closed.
    axis
        Axis that the plane is perpendicular to: 0 (z), 1 (y) or 2 (x).
    position
        Where the plane cuts that axis, in um.

    Returns
    -------
    NDArray
        (N, 2, 2) start and end of each segment in um, in the two remaining axes in (z, y, x)
        order. On a consistently wound mesh segments follow one another head to tail, with the
        region ``labels[:, 0]`` to their left if the first remaining axis points right and the
        second up.

    Raises
    ------
    ValueError
        If the axis is not 0, 1 or 2, or the position is not finite.

    Notes
    -----
    A vertex in the plane counts as above it, so contours of closed surfaces close even there and
    a face that lies in the plane gives no segment.
    """
    if not np.isfinite(position):
        raise ValueError(f"position: expected a finite position in um, got {position}")
    segments = plane_sections(mesh.vertices, mesh.faces, axis, [position]).segments
    return np.asarray(segments[(segments[:, 0] != segments[:, 1]).any(axis=1)])


def plane_sections(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], axis: int, positions: ArrayLike
) -> Sections:
    """Return the segments of many planes at once; see :func:`plane_section`.

    Parameters
    ----------
    vertices, faces
        (V, 3) in um and (F, 3).
    axis
        Axis that the planes are perpendicular to.
    positions
        (P,) where the planes cut that axis in um, ascending.

    Returns
    -------
    Sections
        Segments of no length, from vertices in a plane, included.
    """
    if axis not in (0, 1, 2):
        raise ValueError(f"axis: expected 0 (z), 1 (y) or 2 (x), got {axis}")
    planes_at = np.asarray(positions, dtype=np.float64)
    heights = vertices[:, axis][faces]
    first = np.searchsorted(planes_at, heights.min(axis=1, initial=np.inf), side="right")
    last = np.searchsorted(planes_at, heights.max(axis=1, initial=-np.inf), side="right")
    count = np.maximum(last - first, 0)
    face = np.repeat(np.arange(len(faces)), count)
    plane = np.arange(len(face)) - np.repeat(np.cumsum(count) - count - first, count)

    above = heights[face] >= planes_at[plane, None]
    # One corner lies alone on its side of the plane; the two edges at it are crossed.
    lone_above = above.sum(axis=1) == 1
    lone = np.argmax(above == lone_above[:, None], axis=1)
    corner = faces[face, lone]
    leaving = _crossing(vertices, corner, faces[face, (lone + 1) % 3], axis, planes_at[plane])
    arriving = _crossing(vertices, corner, faces[face, (lone + 2) % 3], axis, planes_at[plane])
    # From the edge that runs down to the edge that runs up keeps the inner side to the left;
    # the axes (z, x) that remain after y are a left-handed pair, so there it is the other way.
    forward = lone_above != (axis == 1)
    start = np.where(forward[:, None], leaving, arriving)
    end = np.where(forward[:, None], arriving, leaving)
    return Sections(np.stack([start, end], axis=1), plane, face)


def _crossing(
    vertices: NDArray[np.float64],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    axis: int,
    height: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (N, 2) where the edges between two vertices cross the planes at the given heights."""
    # In the order of vertex numbers both faces of an edge find the very same point.
    low, high = vertices[np.minimum(one, other)], vertices[np.maximum(one, other)]
    fraction = (height - low[:, axis]) / (high[:, axis] - low[:, axis])
    remaining = [a for a in range(3) if a != axis]
    low, high = low[:, remaining], high[:, remaining]
    return np.asarray(low + fraction[:, None] * (high - low))
