"""What no step of remeshing may do: fold the surface over or flatten a face."""

from __future__ import annotations

import numpy as np
from numba import njit

from napari_deltamic.mesh.remeshing.vectors import (
    Vector,
    dot,
    doubled_area_normal,
    minus,
    plus,
    row,
    squared_distance,
)
from napari_deltamic.mesh.remeshing.working_mesh import (
    NONE,
    REGULAR,
    WorkingMesh,
    is_special,
    others,
)

# Cosine of the largest angle that a face may turn by in one step.
LARGEST_TURN = 0.5
# Twice the area over the longest edge squared: 0.87 for an equilateral face, 0 for a flat one.
SLIVER = 0.15
# A sliver may get flatter by this factor in one step, but never flatter than this.
_FLATTENING, _FLATTEST = 0.5, 1e-3
# Cosine of the angle by which a line turns at a vertex that is to be kept as its corner.
_STRAIGHTEST_BEND = 0.7


@njit(cache=True, nogil=True)
def face_quality(a: Vector, b: Vector, c: Vector) -> float:
    """Return twice the area of a triangle over its longest edge squared, 0 to 0.87."""
    normal = doubled_area_normal(a, b, c)
    longest = max(squared_distance(a, b), squared_distance(b, c), squared_distance(c, a))
    return np.sqrt(dot(normal, normal)) / longest if longest > 0.0 else 0.0


@njit(cache=True, nogil=True, forceinline=True)
def _is_sliver(a: Vector, b: Vector, c: Vector, normal: Vector) -> bool:
    longest = max(squared_distance(a, b), squared_distance(b, c), squared_distance(c, a))
    return dot(normal, normal) <= (SLIVER * longest) ** 2


@njit(cache=True, nogil=True, forceinline=True)
def turns_less(one: Vector, two: Vector, cosine: float) -> bool:
    """Return whether the angle between two directions is at most that of a positive cosine."""
    agreement = dot(one, two)
    if agreement <= 0.0:
        return False
    return agreement * agreement >= cosine * cosine * dot(one, one) * dot(two, two)


@njit(cache=True, nogil=True)
def may_move(
    mesh: WorkingMesh, vertex: int, goal: Vector, without: int, turn: float = LARGEST_TURN
) -> bool:
    """Return whether a vertex can go somewhere else without folding or flattening its faces.

    Faces that also have the vertex ``without`` are left out (-1 for none); no other may turn by
    more than the angle whose cosine is ``turn``.
    """
    here = row(mesh.position, vertex)
    if goal == here:
        return True
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        first, second = others(mesh, corner)
        corner = mesh.next_corner[corner]
        if without in (first, second):
            continue
        x, y = row(mesh.position, first), row(mesh.position, second)
        old, new = doubled_area_normal(here, x, y), doubled_area_normal(goal, x, y)
        sliver = _is_sliver(here, x, y, old)
        if sliver or _is_sliver(goal, x, y, new):
            least = _FLATTENING * face_quality(here, x, y)
            if face_quality(goal, x, y) < max(least, _FLATTEST):
                return False
        if turns_less(old, new, turn):
            continue
        # A sliver's own normal says little: the surface around it may decide.
        if not sliver or not turns_less(_mean_normal(mesh, vertex, here), new, turn):
            return False
    return True


@njit(cache=True, nogil=True)
def _mean_normal(mesh: WorkingMesh, vertex: int, here: Vector) -> Vector:
    mean = (0.0, 0.0, 0.0)
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        x, y = others(mesh, corner)
        normal = doubled_area_normal(here, row(mesh.position, x), row(mesh.position, y))
        mean = plus(mean, normal)
        corner = mesh.next_corner[corner]
    return mean


@njit(cache=True, nogil=True)
def plane_error(mesh: WorkingMesh, vertex: int, goal: Vector, without: int) -> float:
    """Sum a point's squared distances from the planes of a vertex' faces, weighted by area.

    The plane across the vertex' mean normal counts as much as all of them: at the tip of a spike
    the faces alone would let the point slide down the spike.

    Faces that also have the vertex ``without`` are left out (-1 for none).
    """
    here = row(mesh.position, vertex)
    away = minus(goal, here)
    error, total, mean = 0.0, 0.0, (0.0, 0.0, 0.0)
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        first, second = others(mesh, corner)
        corner = mesh.next_corner[corner]
        if without in (first, second):
            continue
        normal = doubled_area_normal(here, row(mesh.position, first), row(mesh.position, second))
        size = np.sqrt(dot(normal, normal))
        if size > 0.0:
            error += dot(normal, away) ** 2 / size
            total += size
            mean = plus(mean, normal)
    return error + _across(mean, total, away)


@njit(cache=True, nogil=True)
def _across(mean: Vector, total: float, away: Vector) -> float:
    size = dot(mean, mean)
    return total * dot(mean, away) ** 2 / size if size > 0.0 else 0.0


@njit(cache=True, nogil=True)
def line_ends(mesh: WorkingMesh, vertex: int) -> tuple[int, int]:
    """Return the two neighbours of a LINE vertex along its line."""
    first = second = NONE
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        for neighbour in others(mesh, corner):
            if mesh.stratum[neighbour] == REGULAR or neighbour in (first, second):
                continue
            if is_special(mesh, vertex, neighbour):
                first, second = neighbour, first
        corner = mesh.next_corner[corner]
    return first, second


@njit(cache=True, nogil=True)
def is_bend(mesh: WorkingMesh, vertex: int) -> bool:
    """Return whether the line through a LINE vertex turns sharply there."""
    first, second = line_ends(mesh, vertex)
    here = row(mesh.position, vertex)
    one, two = minus(here, row(mesh.position, first)), minus(row(mesh.position, second), here)
    return bool(dot(one, two) < _STRAIGHTEST_BEND * np.sqrt(dot(one, one) * dot(two, two)))
