"""A tree of boxes round the faces of a mesh, for exact nearest distances."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEAF_FACES = 4
_STACK = 128


class FaceTree:
    """Boxes round ever smaller groups of faces.

    Parameters
    ----------
    vertices
        (V, 3) in um.
    faces
        (F, 3) vertex indices, at least one face.
    """

    def __init__(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
        corners = np.ascontiguousarray(vertices[faces], dtype=np.float64)
        order, self._first, self._last, self._low, self._high, self._right = _build(
            corners.min(axis=1), corners.max(axis=1)
        )
        self._corners = corners[order]

    def distances(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N,) distances from (N, 3) points to the nearest face, in um."""
        squared = _nearest_squared(
            np.ascontiguousarray(points, dtype=np.float64),
            self._corners,
            self._first,
            self._last,
            self._low,
            self._high,
            self._right,
        )
        return np.asarray(np.sqrt(squared))


@njit(cache=True, nogil=True)
def _build(face_low, face_high):  # type: ignore[no-untyped-def]
    """Split faces at the median centre along the longest side; a left child follows its parent."""
    count = len(face_low)
    order = np.arange(count)
    capacity = 2 * count
    first, last = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    right = np.full(capacity, -1)
    low, high = np.empty((capacity, 3)), np.empty((capacity, 3))
    # Ranges still to become nodes, with the parent whose right child they are (-1 for none).
    todo = np.empty((_STACK, 3), np.int64)
    todo[0] = (0, count, -1)
    depth, nodes = 1, 0
    while depth > 0:
        depth -= 1
        start, stop, parent = todo[depth]
        node = nodes
        nodes += 1
        if parent >= 0:
            right[parent] = node
        first[node], last[node] = start, stop
        longest, side = 0, -1.0
        for axis in range(3):
            box_low, box_high = np.inf, -np.inf
            centre_low, centre_high = np.inf, -np.inf
            for face in order[start:stop]:
                box_low = min(box_low, face_low[face, axis])
                box_high = max(box_high, face_high[face, axis])
                centre = face_low[face, axis] + face_high[face, axis]
                centre_low, centre_high = min(centre_low, centre), max(centre_high, centre)
            low[node, axis], high[node, axis] = box_low, box_high
            if centre_high - centre_low > side:
                longest, side = axis, centre_high - centre_low
        if stop - start <= LEAF_FACES:
            continue
        members = order[start:stop].copy()
        centres = face_low[members, longest] + face_high[members, longest]
        order[start:stop] = members[np.argsort(centres)]
        middle = (start + stop) // 2
        todo[depth] = (middle, stop, node)
        todo[depth + 1] = (start, middle, -1)
        depth += 2
    return order, first[:nodes], last[:nodes], low[:nodes], high[:nodes], right[:nodes]


@njit(cache=True, nogil=True)
def _nearest_squared(points, corners, first, last, low, high, right):  # type: ignore[no-untyped-def]
    result = np.empty(len(points))
    stack = np.empty(_STACK, np.int64)
    stack_squared = np.empty(_STACK)
    for index in range(len(points)):
        point = points[index]
        best = np.inf
        stack[0], stack_squared[0] = 0, 0.0
        depth = 1
        while depth > 0:
            depth -= 1
            if stack_squared[depth] >= best:
                continue
            node = stack[depth]
            if right[node] < 0:
                for face in range(first[node], last[node]):
                    best = min(best, _triangle_squared(point, corners[face]))
                continue
            near, far = node + 1, right[node]
            near_squared = _box_squared(point, low[near], high[near])
            far_squared = _box_squared(point, low[far], high[far])
            if far_squared < near_squared:
                near, far = far, near
                near_squared, far_squared = far_squared, near_squared
            stack[depth], stack_squared[depth] = far, far_squared
            stack[depth + 1], stack_squared[depth + 1] = near, near_squared
            depth += 2
        result[index] = best
    return result


@njit(cache=True, nogil=True)
def _box_squared(point, low, high):  # type: ignore[no-untyped-def]
    squared = 0.0
    for axis in range(3):
        gap = max(low[axis] - point[axis], point[axis] - high[axis], 0.0)
        squared += gap * gap
    return squared


@njit(cache=True, nogil=True)
def _triangle_squared(point, corners):  # type: ignore[no-untyped-def]
    """Squared distance to a triangle; one without area counts as its edges."""
    best = np.inf
    ux, uy, uz = corners[1] - corners[0]
    vx, vy, vz = corners[2] - corners[0]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    normal_squared = nx * nx + ny * ny + nz * nz
    is_over_face = normal_squared > 0.0
    for corner in range(3):
        start, stop = corners[corner], corners[(corner + 1) % 3]
        ex, ey, ez = stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]
        px, py, pz = point[0] - start[0], point[1] - start[1], point[2] - start[2]
        length_squared = ex * ex + ey * ey + ez * ez
        along = 0.0
        if length_squared > 0.0:
            along = min(max((px * ex + py * ey + pz * ez) / length_squared, 0.0), 1.0)
        dx, dy, dz = px - along * ex, py - along * ey, pz - along * ez
        best = min(best, dx * dx + dy * dy + dz * dz)
        # Inside the prism over the face when no edge has the point on its outer side.
        side = nx * (ey * pz - ez * py) + ny * (ez * px - ex * pz) + nz * (ex * py - ey * px)
        is_over_face = is_over_face and side >= 0.0
    if is_over_face:
        px, py, pz = point[0] - corners[0, 0], point[1] - corners[0, 1], point[2] - corners[0, 2]
        height = px * nx + py * ny + pz * nz
        best = min(best, height * height / normal_squared)
    return best
