"""Which vertices and edges belong to borders, to lines where regions meet, and to junctions."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.mesh.remeshing.working_mesh import (
    FACES,
    JUNCTION,
    LINE,
    NONE,
    REGULAR,
    VERTICES,
    WorkingMesh,
    faces_at_edge,
    is_special,
    others,
)


@njit(cache=True, nogil=True)
def special_edges(mesh: WorkingMesh) -> NDArray[np.int64]:
    """Return (S, 2) the edges that are not inside one interface, each once, ascending."""
    found = np.empty((3 * mesh.size[FACES], 2), np.int64)
    count = 0
    for face in range(mesh.size[FACES]):
        for place in range(3):
            a, b = others(mesh, 4 * face + place)
            a, b = min(a, b), max(a, b)
            # Of the faces at an edge one speaks for it.
            if is_special(mesh, a, b) and faces_at_edge(mesh, a, b)[1] >> 2 == face:
                found[count] = a, b
                count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def classify(mesh: WorkingMesh, special: NDArray[np.int64]) -> None:
    """Set every vertex' stratum, given the (S, 2) special edges."""
    degree = np.zeros(mesh.size[VERTICES], np.int64)
    ends = np.full((mesh.size[VERTICES], 2), NONE)
    for edge in range(len(special)):
        for side in range(2):
            vertex, other = special[edge, side], special[edge, 1 - side]
            if degree[vertex] < 2:
                ends[vertex, degree[vertex]] = other
            degree[vertex] += 1
    seen = np.full(mesh.size[FACES], NONE)
    stack = np.empty(mesh.size[FACES], np.int64)
    for vertex in range(mesh.size[VERTICES]):
        if degree[vertex] not in (0, 2) or mesh.first_corner[vertex] == NONE:
            mesh.stratum[vertex] = JUNCTION
            continue
        first, second = ends[vertex, 0], ends[vertex, 1]
        sheets, crosses = _count_sheets(mesh, vertex, first, second, seen, stack)
        if degree[vertex] == 0:
            mesh.stratum[vertex] = REGULAR if sheets == 1 else JUNCTION
            continue
        meeting = faces_at_edge(mesh, vertex, first)[0]
        same = sheets == meeting and sheets == faces_at_edge(mesh, vertex, second)[0]
        mesh.stratum[vertex] = LINE if same and crosses else JUNCTION


@njit(cache=True, nogil=True)
def _count_sheets(
    mesh: WorkingMesh,
    vertex: int,
    first: int,
    second: int,
    seen: NDArray[np.int64],
    stack: NDArray[np.int64],
) -> tuple[int, bool]:
    """Count the fans of faces at a vertex; say whether each has edges to both of two vertices."""
    sheets, crosses = 0, True
    start = mesh.first_corner[vertex]
    while start != NONE:
        if seen[start >> 2] != vertex:
            sheets += 1
            touches_first = touches_second = False
            seen[start >> 2] = vertex
            stack[0] = start
            depth = 1
            while depth > 0:
                depth -= 1
                corner = stack[depth]
                for neighbour in others(mesh, corner):
                    touches_first |= neighbour == first
                    touches_second |= neighbour == second
                    if neighbour in (first, second):
                        continue
                    _, one, two = faces_at_edge(mesh, vertex, neighbour)
                    for beside in (one, two):
                        if seen[beside >> 2] != vertex:
                            seen[beside >> 2] = vertex
                            stack[depth] = beside
                            depth += 1
            crosses &= touches_first and touches_second
        start = mesh.next_corner[start]
    return sheets, crosses
