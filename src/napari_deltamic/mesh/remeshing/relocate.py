"""Evening out the spacing of vertices without moving the surface."""

from __future__ import annotations

import numpy as np
from numba import njit

from napari_deltamic.mesh.remeshing.guards import is_bend, line_ends, may_move
from napari_deltamic.mesh.remeshing.reference import Reference, put_on_line, put_on_sheet
from napari_deltamic.mesh.remeshing.vectors import (
    Vector,
    cross,
    dot,
    doubled_area_normal,
    minus,
    plus,
    row,
    set_row,
    times,
)
from napari_deltamic.mesh.remeshing.working_mesh import (
    LINE,
    NONE,
    REGULAR,
    VERTICES,
    WorkingMesh,
    others,
)

# How far a vertex goes towards the centre of its neighbours in one sweep.
_PACE = 0.5
# How little a step may lead off the faces, and at creases, corners and tips: where the faces lean
# from their mean normal by more than this cosine, averaged by area.
_STIFFNESS, _STIFFNESS_WHERE_BENT = 50.0, 2000.0
_BENT = 0.85


@njit(cache=True, nogil=True)
def relocate_vertices(mesh: WorkingMesh, reference: Reference, sweeps: int) -> None:
    """Move each vertex towards its faces' centre along its sheet or line; junctions stay."""
    for _ in range(sweeps):
        for vertex in range(mesh.size[VERTICES]):
            if mesh.first_corner[vertex] == NONE:
                continue
            if mesh.stratum[vertex] == REGULAR:
                _relocate_on_sheet(mesh, reference, vertex)
            elif mesh.stratum[vertex] == LINE:
                _relocate_on_line(mesh, reference, vertex)


@njit(cache=True, nogil=True)
def _relocate_on_sheet(mesh: WorkingMesh, reference: Reference, vertex: int) -> None:
    here = row(mesh.position, vertex)
    step = _step_along_surface(mesh, vertex, here)
    place, goal, target = put_on_sheet(reference, plus(here, step), mesh.place[vertex])
    if not may_move(mesh, vertex, goal, NONE):
        return
    set_row(mesh.position, vertex, goal)
    mesh.place[vertex], mesh.target[vertex] = place, target


@njit(cache=True, nogil=True)
def _step_along_surface(mesh: WorkingMesh, vertex: int, here: Vector) -> Vector:
    """Return the step s towards the centre of the faces that costs least.

    It minimises |s - wish|^2 + stiffness * (mean of (face normal . s)^2 + (mean normal . s)^2), so
    that it runs within the faces where they are level, along a crease only, and nowhere at a
    corner or a tip.
    """
    wish, weight, mean, total = (0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), 0.0
    planes = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        a, b = others(mesh, corner)
        corner = mesh.next_corner[corner]
        x, y = row(mesh.position, a), row(mesh.position, b)
        normal = doubled_area_normal(here, x, y)
        area = np.sqrt(dot(normal, normal))
        if area == 0.0:
            continue
        mean, total = plus(mean, normal), total + area
        planes = _with_square(planes, normal, 1.0 / area)
        # Faces count by the number of wished-for faces in them, so that graded lengths are kept.
        share = area / (mesh.target[a] + mesh.target[b]) ** 2
        wish = plus(wish, times(minus(plus(x, y), times(here, 2.0)), share))
        weight += share
    if weight == 0.0:
        return wish
    size = dot(mean, mean)
    if size > 0.0:
        planes = _with_square(planes, mean, total / size)
    bent = size < (_BENT * total) ** 2
    factor = (_STIFFNESS_WHERE_BENT if bent else _STIFFNESS) / total
    system = (
        plus((1.0, 0.0, 0.0), times(planes[0], factor)),
        plus((0.0, 1.0, 0.0), times(planes[1], factor)),
        plus((0.0, 0.0, 1.0), times(planes[2], factor)),
    )
    return _solved(system, times(wish, _PACE / weight))


@njit(cache=True, nogil=True, forceinline=True)
def _with_square(
    rows: tuple[Vector, Vector, Vector], direction: Vector, weight: float
) -> tuple[Vector, Vector, Vector]:
    """Add a direction's outer product with itself to a symmetric 3 x 3 matrix."""
    scaled = times(direction, weight)
    return (
        plus(rows[0], times(scaled, direction[0])),
        plus(rows[1], times(scaled, direction[1])),
        plus(rows[2], times(scaled, direction[2])),
    )


@njit(cache=True, nogil=True)
def _solved(rows: tuple[Vector, Vector, Vector], right: Vector) -> Vector:
    """Solve a symmetric 3 x 3 system by Cramer's rule."""
    a, b, c = rows
    across = cross(b, c)
    return times(
        (dot(right, across), dot(right, cross(c, a)), dot(right, cross(a, b))),
        1.0 / dot(a, across),
    )


@njit(cache=True, nogil=True)
def _relocate_on_line(mesh: WorkingMesh, reference: Reference, vertex: int) -> None:
    if is_bend(mesh, vertex):
        return
    first, second = line_ends(mesh, vertex)
    middle = times(plus(row(mesh.position, first), row(mesh.position, second)), 0.5)
    place, goal, target = put_on_line(reference, middle, mesh.place[vertex])
    if may_move(mesh, vertex, goal, NONE):
        set_row(mesh.position, vertex, goal)
        mesh.place[vertex], mesh.target[vertex] = place, target
