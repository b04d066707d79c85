"""Merging the ends of edges that are too short, where that changes no region's topology."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.mesh.remeshing.guards import is_bend, may_move, plane_error
from napari_deltamic.mesh.remeshing.reference import Reference, put_on_line, put_on_sheet
from napari_deltamic.mesh.remeshing.split import LONGEST, edges_outside, length_ratio
from napari_deltamic.mesh.remeshing.vectors import (
    Vector,
    plus,
    row,
    set_row,
    squared_distance,
    times,
)
from napari_deltamic.mesh.remeshing.working_mesh import (
    JUNCTION,
    LINE,
    NONE,
    REGULAR,
    WorkingMesh,
    attach,
    detach,
    faces_at_edge,
    is_special,
    new_stamp,
    others,
)

SHORTEST = 4.0 / 5.0
"""Edges shorter than this, in units of the length asked for, are collapsed."""
_MAX_ROUNDS = 20
# The shorter an edge, the longer its collapse may make others: they are split again later.
_LENIENCE = 0.5
# Halfway is best for the faces' shape, so it wins unless it is this much farther off the surface.
_MIDDLE_BONUS = 0.5


def collapse_short_edges(mesh: WorkingMesh, reference: Reference) -> None:
    """Collapse edges, the shortest first, until few collapses are allowed."""
    for _ in range(_MAX_ROUNDS):
        edges, ratio, _ = edges_outside(mesh, SHORTEST, np.inf)
        done = _collapse_edges(mesh, reference, edges[np.argsort(ratio, kind="stable")])
        if done <= len(edges) // 10:
            break


@njit(cache=True, nogil=True)
def _collapse_edges(mesh: WorkingMesh, reference: Reference, edges: NDArray[np.int64]) -> int:
    done = 0
    for edge in range(len(edges)):
        gone, kept = edges[edge]
        if mesh.stratum[gone] > mesh.stratum[kept]:
            gone, kept = kept, gone
        # Earlier collapses may have taken the edge away or stretched it.
        if faces_at_edge(mesh, gone, kept)[0] == 0 or length_ratio(mesh, gone, kept) >= SHORTEST:
            continue
        if not _keeps_strata(mesh, gone, kept) or not _keeps_topology(mesh, gone, kept):
            continue
        place, goal, target = _meeting_point(mesh, reference, gone, kept)
        if not _keeps_shape(mesh, gone, kept, goal):
            continue
        _merge(mesh, gone, kept)
        set_row(mesh.position, kept, goal)
        mesh.target[kept] = target
        mesh.place[kept] = place
        done += 1
    return done


@njit(cache=True, nogil=True)
def _keeps_strata(mesh: WorkingMesh, gone: int, kept: int) -> bool:
    """Return whether the vanishing vertex stays inside the sheet or line that it lies on."""
    if mesh.stratum[gone] == REGULAR:
        return True
    return mesh.stratum[gone] == LINE and is_special(mesh, gone, kept)


@njit(cache=True, nogil=True)
def _keeps_topology(mesh: WorkingMesh, gone: int, kept: int) -> bool:
    """Return whether the ends share only what the faces at their edge imply (link condition)."""
    neighbour, apex = new_stamp(mesh), new_stamp(mesh)
    corner = mesh.first_corner[gone]
    while corner != NONE:
        x, y = others(mesh, corner)
        if kept not in (x, y):
            if mesh.mark[x] != apex:
                mesh.mark[x] = neighbour
            if mesh.mark[y] != apex:
                mesh.mark[y] = neighbour
        else:
            third = x + y - kept
            # Two faces on the same three vertices enclose nothing; leave them alone.
            if mesh.mark[third] == apex:
                return False
            mesh.mark[third] = apex
            if _joins_lines(mesh, gone, kept, third):
                return False
        corner = mesh.next_corner[corner]
    corner = mesh.first_corner[kept]
    while corner != NONE:
        x, y = others(mesh, corner)
        if gone not in (x, y):
            if mesh.mark[x] == neighbour or mesh.mark[y] == neighbour:
                return False
            both = mesh.mark[x] == apex and mesh.mark[y] == apex
            if both and _has_face(mesh, gone, x, y):
                return False
        corner = mesh.next_corner[corner]
    return True


@njit(cache=True, nogil=True)
def _joins_lines(mesh: WorkingMesh, gone: int, kept: int, third: int) -> bool:
    """Return whether both ends have an edge on a line to the third vertex."""
    if REGULAR in (mesh.stratum[gone], mesh.stratum[kept], mesh.stratum[third]):
        return False
    return is_special(mesh, gone, third) and is_special(mesh, kept, third)


@njit(cache=True, nogil=True)
def _has_face(mesh: WorkingMesh, a: int, x: int, y: int) -> bool:
    corner = mesh.first_corner[a]
    while corner != NONE:
        first, second = others(mesh, corner)
        if (first, second) == (x, y) or (first, second) == (y, x):
            return True
        corner = mesh.next_corner[corner]
    return False


@njit(cache=True, nogil=True)
def _meeting_point(
    mesh: WorkingMesh, reference: Reference, gone: int, kept: int
) -> tuple[int, Vector, float]:
    """Return where the merged vertex goes, with its place on the reference and edge length."""
    stays = mesh.place[kept], row(mesh.position, kept), mesh.target[kept]
    if mesh.stratum[gone] != mesh.stratum[kept] or mesh.stratum[kept] == JUNCTION:
        return stays
    leaves = mesh.place[gone], row(mesh.position, gone), mesh.target[gone]
    middle = times(plus(row(mesh.position, gone), row(mesh.position, kept)), 0.5)
    if mesh.stratum[kept] == LINE:
        if is_bend(mesh, kept):
            return stays
        if is_bend(mesh, gone):
            return leaves
        return put_on_line(reference, middle, mesh.place[kept])
    between = put_on_sheet(reference, middle, mesh.place[kept])
    error_between = _MIDDLE_BONUS * _merging_error(mesh, gone, kept, between[1])
    error_stays = _merging_error(mesh, gone, kept, stays[1])
    error_leaves = _merging_error(mesh, gone, kept, leaves[1])
    if error_between <= min(error_stays, error_leaves):
        return between
    return stays if error_stays <= error_leaves else leaves


@njit(cache=True, nogil=True)
def _merging_error(mesh: WorkingMesh, gone: int, kept: int, goal: Vector) -> float:
    return plane_error(mesh, gone, goal, NONE) + plane_error(mesh, kept, goal, gone)


@njit(cache=True, nogil=True)
def _keeps_shape(mesh: WorkingMesh, gone: int, kept: int, goal: Vector) -> bool:
    """Return whether the merged vertex folds no face over and gets no edge that is too long."""
    longest = LONGEST + _LENIENCE * (SHORTEST - length_ratio(mesh, gone, kept))
    return (
        _reaches(mesh, gone, goal, longest)
        and _reaches(mesh, kept, goal, longest)
        and may_move(mesh, gone, goal, kept)
        and may_move(mesh, kept, goal, gone)
    )


@njit(cache=True, nogil=True)
def _reaches(mesh: WorkingMesh, vertex: int, goal: Vector, longest: float) -> bool:
    """Return whether a vertex' neighbours are within so many asked-for lengths of a point."""
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        for neighbour in others(mesh, corner):
            limit = longest * 0.5 * (mesh.target[vertex] + mesh.target[neighbour])
            if squared_distance(goal, row(mesh.position, neighbour)) > limit * limit:
                return False
        corner = mesh.next_corner[corner]
    return True


@njit(cache=True, nogil=True)
def _merge(mesh: WorkingMesh, gone: int, kept: int) -> None:
    """Remove the faces at the edge and hand the other faces of one end to the other."""
    corner = mesh.first_corner[gone]
    while corner != NONE:
        following = mesh.next_corner[corner]
        face = corner >> 2
        if kept in others(mesh, corner):
            for place in range(3):
                if mesh.faces[face, place] != gone:
                    detach(mesh, 4 * face + place)
            mesh.faces[face] = NONE
        else:
            mesh.faces[face, corner & 3] = kept
            attach(mesh, corner)
        corner = following
    mesh.first_corner[gone] = NONE
