"""How far every face is from the faces that are no neighbours of it.

As long as no corner of a face moves by half of that, it cannot run into any of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks, thread_count
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
# Cells hold different numbers of faces, so that a thread may be done before another.
_CHUNKS_A_THREAD = 4


class Surroundings(NamedTuple):
    """Which faces are neighbours: those that share a vertex, or that an edge joins."""

    faces: NDArray[np.int64]
    """(F, 3) vertex indices."""
    edges: NDArray[np.int64]
    """(E, 2) vertices."""
    starts: NDArray[np.int64]
    """Where those of each vertex begin among the next, and where the last one's end."""
    around: NDArray[np.int64]
    """(2 E,) the other ends of the edges at each vertex."""


def surroundings(faces: NDArray[np.int64]) -> Surroundings:
    """Return the surroundings of (F, 3) faces."""
    edges = edge_use(faces).edges
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    starts = np.searchsorted(both[:, 0], np.arange(int(faces.max(initial=-1)) + 2))
    return Surroundings(faces, edges, starts, both[:, 1].copy())


def face_clearances(
    vertices: NDArray[np.float64], around: Surroundings, reach: float
) -> NDArray[np.float64]:
    """Return the distance of each face to the nearest one that is no neighbour of it.

    Parameters
    ----------
    vertices
        (V, 3) in um.
    around
        Of the faces.
    reach
        Distance in um beyond which nothing is looked for.

    Returns
    -------
    NDArray
        (F,) in um; ``reach`` where nothing is nearer, 0 where faces cross.
    """
    count = len(around.faces)
    if count == 0:
        return np.empty(0)
    nearby = min(reach, _NEARBY * _mean_length(vertices, around.edges))
    every = np.ones(count, np.bool_)
    gaps = _gaps_within(vertices, around, nearby, every, np.full(count, nearby))
    lonely = gaps >= nearby
    if nearby == reach or not lonely.any():
        return gaps
    gaps[lonely] = reach
    return _gaps_within(vertices, around, reach, lonely, gaps)


def clearances_from(
    vertices: NDArray[np.float64], around: Surroundings, reach: float, sought: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the same, but only of pairs one of which is among the (F,) faces sought."""
    return _gaps_within(vertices, around, reach, sought, np.full(len(sought), reach))


def _mean_length(vertices: NDArray[np.float64], edges: NDArray[np.int64]) -> float:
    along = vertices[edges[:, 1]] - vertices[edges[:, 0]]
    return float(np.sqrt(np.einsum("ij,ij->i", along, along)).mean())


def _gaps_within(
    vertices: NDArray[np.float64],
    around: Surroundings,
    reach: float,
    sought: NDArray[np.bool_],
    known: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return known gaps, made smaller where one of the faces sought has another within reach."""
    faces = around.faces
    filed, order, steps, boxes = filed_by_place(vertices, faces, reach)
    bounds = np.linspace(0, len(faces), _CHUNKS_A_THREAD * thread_count() + 1).astype(int)
    chunks = [(k, *ends) for k, ends in enumerate(pairwise(bounds.tolist()))]
    # A row for each chunk, so that no two threads write to one.
    squared = np.tile(known[order] ** 2, (len(chunks), 1))
    near = around.starts, around.around
    rest = sought[order], vertices, faces[order], boxes, filed, steps, *near, squared
    run_chunks(_clearances, chunks, *rest)
    gaps = np.empty(len(faces))
    gaps[order] = np.sqrt(squared.min(axis=0))
    return gaps


def filed_by_place(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return faces in the order of cells of space, so that those near to each other lie together.

    Returns
    -------
    NDArray
        (F,) the cell of each face, ascending. What comes within reach of a face is in its cell or
        in one of the 26 around.
    NDArray
        (F,) the number of each face.
    NDArray
        (3,) from a cell to the next along z, y and x.
    NDArray
        (F, 6) lower and upper corner of each face.
    """
    corners = vertices[faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    # A face is filed under the cell of its lower corner, so the others' are at most one cell away.
    span = float((high.max(axis=0) - low.min(axis=0)).max())
    # Not without size, where all faces have shrunk to points.
    cell = max(reach + float((high - low).max()), 1e-6 * span, np.finfo(float).tiny)
    keys = np.floor((low - low.min(axis=0)) / cell).astype(np.int64) + 1
    shape = keys.max(axis=0) + 2
    filed = np.ravel_multi_index(tuple(keys.T), tuple(shape))
    order = np.argsort(filed, kind="stable")
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    return filed[order], order, steps, np.hstack([low, high])[order]


@njit(cache=True, nogil=True)
def _clearances(  # type: ignore[no-untyped-def]
    chunk, first, last, wanted, vertices, faces, boxes, filed, steps, starts, around, result
):
    """Look at the pairs of the faces from first to last, in the order of their cells."""
    squared = result[chunk]
    near = np.full(len(vertices), -1)
    for face in range(first, last):
        if not wanted[face]:
            continue
        for corner in range(3):
            vertex = faces[face, corner]
            near[vertex] = face
            for other in range(starts[vertex], starts[vertex + 1]):
                near[around[other]] = face
        # Its own cell first: what lies near leaves little to look for farther away.
        for z in (0, -1, 1):
            for y in (0, -1, 1):
                # Three cells of a row lie one behind the other.
                middle = filed[face] + z * steps[0] + y * steps[1]
                begin = np.searchsorted(filed, middle - 1)
                for other in range(begin, np.searchsorted(filed, middle + 2)):
                    # A pair that is looked for from both sides is looked at once.
                    if other <= face and wanted[other]:
                        continue
                    limit = max(squared[face], squared[other])
                    if _boxes_squared(boxes, face, other) >= limit:
                        continue
                    if (
                        near[faces[other, 0]] == face
                        or near[faces[other, 1]] == face
                        or near[faces[other, 2]] == face
                        or _least_squared(vertices, faces, face, other) >= limit
                    ):
                        continue
                    gap = _faces_squared(vertices, faces, face, other)
                    squared[face] = min(squared[face], gap)
                    squared[other] = min(squared[other], gap)


@njit(cache=True, nogil=True)
def _boxes_squared(boxes, one, two):  # type: ignore[no-untyped-def]
    """Squared distance of the boxes around two faces: these are no nearer."""
    total = 0.0
    for axis in range(3):
        apart = boxes[one, axis] - boxes[two, axis + 3], boxes[two, axis] - boxes[one, axis + 3]
        gap = max(apart[0], apart[1], 0.0)
        total += gap * gap
    return total


@njit(cache=True, nogil=True)
def _least_squared(vertices, faces, one, two):  # type: ignore[no-untyped-def]
    """Squared distance of two faces along the line through their centres: they are no nearer."""
    along = (0.0, 0.0, 0.0)
    for corner in range(3):
        along = plus(along, row(vertices, faces[two, corner]))
        along = minus(along, row(vertices, faces[one, corner]))
    top, bottom = -np.inf, np.inf
    for corner in range(3):
        top = max(top, dot(along, row(vertices, faces[one, corner])))
        bottom = min(bottom, dot(along, row(vertices, faces[two, corner])))
    size = dot(along, along)
    return (bottom - top) ** 2 / size if bottom > top and size > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _faces_squared(vertices, faces, one, two):  # type: ignore[no-untyped-def]
    """Squared distance of two faces: at a corner of one, or between edges; 0 if they cross."""
    if not (on_one_side(vertices, faces, one, two) or on_one_side(vertices, faces, two, one)):
        for a, b in _CORNERS:
            for face, other in ((one, two), (two, one)):
                start, stop = row(vertices, faces[face, a]), row(vertices, faces[face, b])
                if _pierces(start, stop, vertices, faces[other]):
                    return 0.0
    best = np.inf
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
def on_one_side(vertices, faces, one, two):  # type: ignore[no-untyped-def]
    """Whether a face lies wholly on one side of the plane of another: they do not cross."""
    a, b, c = (
        row(vertices, faces[two, 0]),
        row(vertices, faces[two, 1]),
        row(vertices, faces[two, 2]),
    )
    normal = cross(minus(b, a), minus(c, a))
    first = dot(normal, minus(row(vertices, faces[one, 0]), a))
    second = dot(normal, minus(row(vertices, faces[one, 1]), a))
    third = dot(normal, minus(row(vertices, faces[one, 2]), a))
    return first * second > 0.0 and first * third > 0.0


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
