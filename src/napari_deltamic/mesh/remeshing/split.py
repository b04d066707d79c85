"""Cutting edges that are too long in two."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.mesh.remeshing.guards import may_move
from napari_deltamic.mesh.remeshing.reference import (
    Reference,
    foot_on_face,
    put_on_line,
    put_on_sheet,
)
from napari_deltamic.mesh.remeshing.vectors import plus, row, set_row, squared_distance, times
from napari_deltamic.mesh.remeshing.working_mesh import (
    FACES,
    LINE,
    NONE,
    REGULAR,
    VERTICES,
    WorkingMesh,
    attach,
    detach,
    faces_at_edge,
    is_special,
    others,
    with_room,
)

LONGEST = 4.0 / 3.0
"""Edges longer than this, in units of the length asked for, are split."""
_MAX_ROUNDS = 60
# Cosine of the largest angle by which rounding may turn the faces at a new vertex.
_LARGEST_TURN = 0.94


def split_long_edges(mesh: WorkingMesh, reference: Reference) -> WorkingMesh:
    """Halve edges, the longest first, until none is too long."""
    for _ in range(_MAX_ROUNDS):
        edges, ratio, new_faces = edges_outside(mesh, 0.0, LONGEST)
        if len(edges) == 0:
            break
        mesh = with_room(mesh, len(edges), new_faces)
        _split_edges(mesh, reference, edges[np.argsort(-ratio, kind="stable")])
    return mesh


@njit(cache=True, nogil=True)
def edges_outside(
    mesh: WorkingMesh, shortest: float, longest: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Find edges whose length over the length asked for lies outside a range.

    Returns
    -------
    tuple
        (E, 2) vertices of each edge, (E,) ratios, and how many faces meet at all of them together.
    """
    edges = np.empty((3 * mesh.size[FACES], 2), np.int64)
    ratios = np.empty(3 * mesh.size[FACES])
    count = total = 0
    for face in range(mesh.size[FACES]):
        if mesh.faces[face, 0] == NONE:
            continue
        for place in range(3):
            a, b = others(mesh, 4 * face + place)
            a, b = min(a, b), max(a, b)
            ratio = length_ratio(mesh, a, b)
            if shortest <= ratio <= longest:
                continue
            # Of the faces at an edge one speaks for it.
            meeting, speaker, _ = faces_at_edge(mesh, a, b)
            if speaker >> 2 == face:
                edges[count], ratios[count] = (a, b), ratio
                count += 1
                total += meeting
    return edges[:count].copy(), ratios[:count].copy(), total


@njit(cache=True, nogil=True)
def length_ratio(mesh: WorkingMesh, a: int, b: int) -> float:
    """Return the length of edge ab in units of the length asked for there."""
    squared = squared_distance(row(mesh.position, a), row(mesh.position, b))
    return float(np.sqrt(squared) / (0.5 * (mesh.target[a] + mesh.target[b])))


@njit(cache=True, nogil=True)
def _split_edges(mesh: WorkingMesh, reference: Reference, edges: NDArray[np.int64]) -> None:
    for edge in range(len(edges)):
        a, b = edges[edge]
        on_line = is_special(mesh, a, b)
        middle = _split(mesh, a, b)
        centre = row(mesh.position, middle)
        if on_line:
            mesh.stratum[middle] = LINE
            near = mesh.place[a] if mesh.stratum[a] == LINE else mesh.place[b]
            place, goal, target = put_on_line(reference, centre, near)
        else:
            mesh.stratum[middle] = REGULAR
            near = _face_of_reference_near(mesh, reference, middle)
            place, goal, target = put_on_sheet(reference, centre, near)
        mesh.place[middle], mesh.target[middle] = place, target
        if may_move(mesh, middle, goal, NONE, _LARGEST_TURN):
            set_row(mesh.position, middle, goal)


@njit(cache=True, nogil=True)
def _face_of_reference_near(mesh: WorkingMesh, reference: Reference, middle: int) -> int:
    """Return the face of the reference nearest to a new vertex of those known around it."""
    here = row(mesh.position, middle)
    best, squared = NONE, np.inf
    corner = mesh.first_corner[middle]
    while corner != NONE:
        known = mesh.near[corner >> 2]
        first, second = others(mesh, corner)
        at_first = mesh.place[first] if mesh.stratum[first] == REGULAR else known
        at_second = mesh.place[second] if mesh.stratum[second] == REGULAR else known
        for candidate in (known, at_first, at_second):
            if candidate == best:
                continue
            distance = foot_on_face(reference, here, candidate)[1]
            if distance < squared:
                best, squared = candidate, distance
        corner = mesh.next_corner[corner]
    return best


@njit(cache=True, nogil=True)
def _split(mesh: WorkingMesh, a: int, b: int) -> int:
    """Put a new vertex at the middle of edge ab, cutting all its faces in two; return it."""
    middle = mesh.size[VERTICES]
    mesh.size[VERTICES] += 1
    mesh.first_corner[middle] = NONE
    mesh.place[middle] = NONE
    mesh.mark[middle] = mesh.valence[middle] = 0
    centre = times(plus(row(mesh.position, a), row(mesh.position, b)), 0.5)
    set_row(mesh.position, middle, centre)
    corner = mesh.first_corner[a]
    while corner != NONE:
        following = mesh.next_corner[corner]
        if b in others(mesh, corner):
            _cut_face(mesh, corner >> 2, a, b, middle)
        corner = following
    return int(middle)


@njit(cache=True, nogil=True)
def _cut_face(mesh: WorkingMesh, face: int, a: int, b: int, middle: int) -> None:
    """Let the face keep a and end at the middle; add the face that has b."""
    added = mesh.size[FACES]
    mesh.size[FACES] += 1
    mesh.interface[added] = mesh.interface[face]
    mesh.near[added] = mesh.near[face]
    for place in range(3):
        vertex = mesh.faces[face, place]
        mesh.faces[added, place] = middle if vertex == a else vertex
        attach(mesh, 4 * added + place)
        if vertex == b:
            detach(mesh, 4 * face + place)
            mesh.faces[face, place] = middle
            attach(mesh, 4 * face + place)
