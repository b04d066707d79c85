"""Turning edges inside interfaces, so that vertices get equal numbers of faces."""

from __future__ import annotations

from numba import njit

from napari_deltamic.mesh.remeshing.guards import SLIVER, face_quality, turns_less
from napari_deltamic.mesh.remeshing.vectors import doubled_area_normal, row
from napari_deltamic.mesh.remeshing.working_mesh import (
    FACES,
    LINE,
    NONE,
    REGULAR,
    WorkingMesh,
    attach,
    detach,
    faces_at_edge,
    others,
)

_MAX_ROUNDS = 4
# Faces wished for at a vertex inside an interface, and at a line on each side of it.
_AROUND, _AT_LINE = 6, 3
# Growth of the strain at three of the vertices that the fourth cannot be expected to make up for.
_HOPELESS = 3
# Quality that both new faces need, unless the old ones were worse.
_FLATTEST = 0.3
# Cosine of the largest angle between faces before and after; a flip must not cut off an edge.
_SHARPEST = 0.75


@njit(cache=True, nogil=True)
def flip_edges(mesh: WorkingMesh) -> None:
    """Flip edges until no flip helps, or a few rounds are over."""
    for _ in range(_MAX_ROUNDS):
        done = 0
        for face in range(mesh.size[FACES]):
            a, b, c = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
            if a == NONE:
                continue
            corners = row(mesh.position, a), row(mesh.position, b), row(mesh.position, c)
            sliver = face_quality(corners[0], corners[1], corners[2]) < SLIVER
            for place in range(3):
                corner = 4 * face + place
                if (sliver or _may_even_out(mesh, corner)) and _flip(mesh, corner, sliver):
                    done += 1
                    break
        if done == 0:
            break


@njit(cache=True, nogil=True, forceinline=True)
def _may_even_out(mesh: WorkingMesh, corner: int) -> bool:
    """Return whether three of the four vertices leave hope for flipping the opposite edge.

    The fourth rarely makes up for so much, and if it does, the edge's other face sees the flip.
    """
    a, b = others(mesh, corner)
    left, interface = mesh.faces[corner >> 2, corner & 3], mesh.interface[corner >> 2]
    change = _strain(mesh, a, interface, -1) + _strain(mesh, b, interface, -1)
    return change + _strain(mesh, left, interface, 1) < _HOPELESS


@njit(cache=True, nogil=True)
def _flip(mesh: WorkingMesh, corner: int, sliver: bool) -> bool:
    """Replace the edge opposite a corner by the other diagonal if that is better and safe."""
    face = corner >> 2
    left, interface = mesh.faces[face, corner & 3], mesh.interface[face]
    a, b = others(mesh, corner)
    count, one, two = faces_at_edge(mesh, a, b)
    if count != 2 or mesh.interface[one >> 2] != mesh.interface[two >> 2]:
        return False
    if one >> 2 != face:
        one, two = two, one
    right, backwards = others(mesh, two)
    if backwards != b:
        return False
    change = _strain(mesh, a, interface, -1) + _strain(mesh, b, interface, -1)
    change += _strain(mesh, left, interface, 1) + _strain(mesh, right, interface, 1)
    if left == right or (change >= 0 and not sliver):
        return False
    if faces_at_edge(mesh, left, right)[0] > 0 or not _is_safe(mesh, a, b, left, right, change):
        return False
    _set_face(mesh, face, a, right, left)
    _set_face(mesh, two >> 2, right, b, left)
    return True


@njit(cache=True, nogil=True, forceinline=True)
def _strain(mesh: WorkingMesh, vertex: int, interface: int, change: int) -> int:
    """Return by how much (faces - wished for)^2 grows if the vertex gets ``change`` more faces."""
    if mesh.stratum[vertex] == REGULAR:
        return int(2 * change * (mesh.valence[vertex] - _AROUND) + 1)
    if mesh.stratum[vertex] == LINE:
        return 2 * change * (_faces_in(mesh, vertex, interface) - _AT_LINE) + 1
    return 0


@njit(cache=True, nogil=True)
def _faces_in(mesh: WorkingMesh, vertex: int, interface: int) -> int:
    count = 0
    corner = mesh.first_corner[vertex]
    while corner != NONE:
        if mesh.interface[corner >> 2] == interface:
            count += 1
        corner = mesh.next_corner[corner]
    return count


@njit(cache=True, nogil=True)
def _is_safe(mesh: WorkingMesh, a: int, b: int, left: int, right: int, change: int) -> bool:
    """Return whether the flip neither folds the surface nor makes a flatter face than before."""
    pa, pb = row(mesh.position, a), row(mesh.position, b)
    pl, pr = row(mesh.position, left), row(mesh.position, right)
    old_one, old_two = doubled_area_normal(pa, pb, pl), doubled_area_normal(pb, pa, pr)
    new_one, new_two = doubled_area_normal(pa, pr, pl), doubled_area_normal(pr, pb, pl)
    quality_one, quality_two = face_quality(pa, pb, pl), face_quality(pb, pa, pr)
    before = min(quality_one, quality_two)
    after = min(face_quality(pa, pr, pl), face_quality(pr, pb, pl))
    if after <= (before if change >= 0 else min(before, _FLATTEST)):
        return False
    # A sliver's own normal says little.
    for old, quality in ((old_one, quality_one), (old_two, quality_two)):
        for new in (new_one, new_two):
            if quality > SLIVER and not turns_less(old, new, _SHARPEST):
                return False
    return turns_less(new_one, new_two, _SHARPEST)


@njit(cache=True, nogil=True)
def _set_face(mesh: WorkingMesh, face: int, a: int, b: int, c: int) -> None:
    for place in range(3):
        detach(mesh, 4 * face + place)
    mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2] = a, b, c
    for place in range(3):
        attach(mesh, 4 * face + place)
