"""How far every face is from the faces that are no neighbours of it.

As long as no corner of a face moves by half of that, it cannot run into any of them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.mesh.remeshing.vectors import (
    Vector,
    cross,
    dot,
    minus,
    plus,
    row,
    squared_distance,
    times,
)
from napari_deltamic.mesh.topology import edge_use

_CORNERS = ((0, 1), (1, 2), (2, 0))
# Within so many edge lengths every face of an even mesh has one that is no neighbour of it.
_NEARBY = 2.0


def face_clearances(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], reach: float
) -> NDArray[np.float64]:
    """Return the distance of each face to the nearest one that is no neighbour of it.

    Faces are neighbours if they share a vertex or an edge joins them.

    Parameters
    ----------
    vertices
        (V, 3) in um.
    faces
        (F, 3) vertex indices.
    reach
        Distance in um beyond which nothing is looked for.

    Returns
    -------
    NDArray
        (F,) in um; ``reach`` where nothing is nearer, 0 where faces cross.
    """
    if len(faces) == 0:
        return np.empty(0)
    edges = edge_use(faces).edges
    mean_edge = float(np.linalg.norm(np.diff(vertices[edges], axis=1), axis=2).mean())
    nearby = min(reach, _NEARBY * mean_edge)
    every = np.arange(len(faces))
    gaps = _gaps_within(vertices, faces, edges, nearby, every, np.full(len(faces), nearby))
    lonely = np.flatnonzero(gaps >= nearby)
    if nearby == reach or len(lonely) == 0:
        return gaps
    gaps[lonely] = reach
    return _gaps_within(vertices, faces, edges, reach, lonely, gaps)


def _gaps_within(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    edges: NDArray[np.int64],
    reach: float,
    sought: NDArray[np.int64],
    known: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return known gaps, made smaller where one of the faces sought has another within reach."""
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    starts = np.searchsorted(both[:, 0], np.arange(len(vertices) + 1))
    corners = vertices[faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    # A face is filed under the cell of its lower corner, so the others' are at most one cell away.
    cell = reach + float((high - low).max())
    keys = np.floor((low - low.min(axis=0)) / cell).astype(np.int64) + 1
    shape = keys.max(axis=0) + 2
    flat = np.ravel_multi_index(tuple(keys.T), tuple(shape))
    order = np.argsort(flat, kind="stable")
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    places = np.empty(len(faces), dtype=np.int64)
    places[order] = np.arange(len(faces))
    whole = len(sought) == len(faces)
    cells = flat[order], order, steps, np.sort(places[sought]), whole
    around = starts, both[:, 1].copy()
    return np.asarray(np.sqrt(_clearances(vertices, faces, low, high, known**2, *cells, *around)))


@njit(cache=True, nogil=True)
def _clearances(  # type: ignore[no-untyped-def]
    vertices, faces, low, high, squared, filed, order, steps, places, whole, starts, around
):
    near = np.full(len(vertices), -1)
    for place in places:
        face = order[place]
        for corner in range(3):
            vertex = faces[face, corner]
            near[vertex] = face
            for other in range(starts[vertex], starts[vertex + 1]):
                near[around[other]] = face
        # Its own cell first: what lies near leaves little to look for farther away.
        for z in (0, -1, 1):
            for y in (0, -1, 1):
                # Three cells of a row lie one behind the other.
                middle = filed[place] + z * steps[0] + y * steps[1]
                first = np.searchsorted(filed, middle - 1)
                last = np.searchsorted(filed, middle + 2)
                # Among all, each pair is looked at once.
                for entry in range(max(first, place + 1) if whole else first, last):
                    other = order[entry]
                    if _boxes_squared(low, high, face, other) >= max(squared[face], squared[other]):
                        continue
                    if (
                        near[faces[other, 0]] == face
                        or near[faces[other, 1]] == face
                        or near[faces[other, 2]] == face
                    ):
                        continue
                    gap = _faces_squared(vertices, faces, face, other)
                    squared[face] = min(squared[face], gap)
                    squared[other] = min(squared[other], gap)
    return squared


@njit(cache=True, nogil=True)
def _boxes_squared(low, high, one, two):  # type: ignore[no-untyped-def]
    """Squared distance of the boxes around two faces: these are no nearer."""
    total = 0.0
    for axis in range(3):
        gap = max(low[one, axis] - high[two, axis], low[two, axis] - high[one, axis], 0.0)
        total += gap * gap
    return total


@njit(cache=True, nogil=True)
def _faces_squared(vertices, faces, one, two):  # type: ignore[no-untyped-def]
    """Squared distance of two faces: at a corner of one, or between edges; 0 if they cross."""
    best = np.inf
    for a, b in _CORNERS:
        for face, other in ((one, two), (two, one)):
            start, stop = row(vertices, faces[face, a]), row(vertices, faces[face, b])
            if _pierces(start, stop, vertices, faces[other]):
                return 0.0
    for corner in range(3):
        point = row(vertices, faces[one, corner])
        best = min(best, _point_squared(point, vertices, faces[two]))
        point = row(vertices, faces[two, corner])
        best = min(best, _point_squared(point, vertices, faces[one]))
    for a, b in _CORNERS:
        start, stop = row(vertices, faces[one, a]), row(vertices, faces[one, b])
        for c, d in _CORNERS:
            other = row(vertices, faces[two, c]), row(vertices, faces[two, d])
            best = min(best, _edges_squared(start, stop, other[0], other[1]))
    return best


@njit(cache=True, nogil=True)
def _pierces(start, stop, vertices, face):  # type: ignore[no-untyped-def]
    """Whether a segment runs through the inside of a face."""
    a, b, c = row(vertices, face[0]), row(vertices, face[1]), row(vertices, face[2])
    normal = cross(minus(b, a), minus(c, a))
    above, below = dot(normal, minus(start, a)), dot(normal, minus(stop, a))
    if above * below >= 0.0:
        return False
    along = minus(stop, start)
    first = dot(along, cross(minus(a, start), minus(b, start)))
    second = dot(along, cross(minus(b, start), minus(c, start)))
    third = dot(along, cross(minus(c, start), minus(a, start)))
    return (first > 0.0) == (second > 0.0) == (third > 0.0)


@njit(cache=True, nogil=True)
def _point_squared(point, vertices, face):  # type: ignore[no-untyped-def]
    """Squared distance from a point to a face's inside; infinite where its edges are nearer."""
    a, b, c = row(vertices, face[0]), row(vertices, face[1]), row(vertices, face[2])
    normal = cross(minus(b, a), minus(c, a))
    size = dot(normal, normal)
    if size == 0.0:
        return np.inf
    for start, stop in ((a, b), (b, c), (c, a)):
        if dot(normal, cross(minus(stop, start), minus(point, start))) < 0.0:
            return np.inf
    return dot(normal, minus(point, a)) ** 2 / size


@njit(cache=True, nogil=True)
def _edges_squared(a: Vector, b: Vector, c: Vector, d: Vector) -> float:
    """Squared distance between the segments from a to b and from c to d."""
    one, two, apart = minus(b, a), minus(d, c), minus(a, c)
    oo, tt, ot = dot(one, one), dot(two, two), dot(one, two)
    oa, ta = dot(one, apart), dot(two, apart)
    determinant = oo * tt - ot * ot
    along = 0.0
    if determinant > 1e-12 * oo * tt:
        along = min(max((ot * ta - tt * oa) / determinant, 0.0), 1.0)
    other = (ot * along + ta) / tt if tt > 0.0 else 0.0
    if (other < 0.0 or other > 1.0) and oo > 0.0:
        other = min(max(other, 0.0), 1.0)
        along = min(max((ot * other - oa) / oo, 0.0), 1.0)
    return squared_distance(plus(a, times(one, along)), plus(c, times(two, other)))
