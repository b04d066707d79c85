"""The mesh while it is remeshed: growing arrays and, for every vertex, a list of its faces.

Edges are not stored. They are found through the faces of their ends, so that any number of faces
may meet at an edge: one at a border, two inside a surface, three or more on a line where regions
meet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

REGULAR = 0
"""A vertex inside one interface: its faces form one fan all round."""
LINE = 1
"""A vertex on a border or on a line where several interfaces meet, away from the line's ends."""
JUNCTION = 2
"""Any other vertex; it never moves."""

VERTICES, FACES, STAMP = 0, 1, 2
NONE = -1


class WorkingMesh(NamedTuple):
    """Arrays with room to grow; only the first ``size`` rows are in use.

    Corner ``4 * face + i`` is the i-th corner of a face. The corners at a vertex form a linked
    list. A removed face has vertex -1 at all corners; a removed vertex has no corners.
    """

    position: NDArray[np.float64]
    """(V, 3) in um."""
    target: NDArray[np.float64]
    """(V,) edge length asked for at the vertex, in um."""
    stratum: NDArray[np.int64]
    """(V,) REGULAR, LINE or JUNCTION."""
    place: NDArray[np.int64]
    """(V,) where the vertex lies: a REGULAR one's face, a LINE one's segment of the reference."""
    first_corner: NDArray[np.int64]
    """(V,) head of the list of the vertex's corners, or -1."""
    valence: NDArray[np.int64]
    """(V,) number of faces at the vertex."""
    mark: NDArray[np.int64]
    """(V,) scratch: the last stamp put on the vertex."""
    faces: NDArray[np.int64]
    """(F, 3) vertices; one winding for all faces of an interface."""
    interface: NDArray[np.int64]
    """(F,) which pair of regions the face separates."""
    near: NDArray[np.int64]
    """(F,) a face of the reference, of the same interface and roughly there."""
    next_corner: NDArray[np.int64]
    """(4 F,) next corner at the same vertex, or -1."""
    size: NDArray[np.int64]
    """(3,) vertices and faces in use, removed ones included, and the last stamp given out."""


def working_mesh(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    interface: NDArray[np.int64],
    target: NDArray[np.float64],
) -> WorkingMesh:
    """Return a linked working mesh whose vertices all still count as REGULAR."""
    mesh = WorkingMesh(
        position=vertices.copy(),
        target=target.copy(),
        stratum=np.full(len(vertices), REGULAR),
        place=np.full(len(vertices), NONE),
        first_corner=np.full(len(vertices), NONE),
        valence=np.zeros(len(vertices), np.int64),
        mark=np.zeros(len(vertices), np.int64),
        faces=faces.copy(),
        interface=interface.copy(),
        near=np.arange(len(faces)),
        next_corner=np.full(4 * len(faces), NONE),
        size=np.array([len(vertices), len(faces), 0]),
    )
    link(mesh)
    return mesh


def with_room(mesh: WorkingMesh, vertices: int, faces: int) -> WorkingMesh:
    """Return the mesh with room for so many more vertices and faces."""
    vertex_room = max(0, int(mesh.size[VERTICES]) + vertices - len(mesh.position))
    face_room = max(0, int(mesh.size[FACES]) + faces - len(mesh.faces))
    room = {"faces": face_room, "interface": face_room, "near": face_room, "size": 0}
    room["next_corner"] = 4 * face_room
    grown = {}
    for name, array in mesh._asdict().items():
        extra = np.zeros((room.get(name, vertex_room), *array.shape[1:]), array.dtype)
        grown[name] = np.concatenate([array, extra])
    return WorkingMesh(**grown)


def compacted(mesh: WorkingMesh) -> WorkingMesh:
    """Return the mesh without removed faces, removed vertices and spare room; order is kept."""
    kept_faces = mesh.faces[: mesh.size[FACES], 0] != NONE
    kept_faces = np.flatnonzero(kept_faces)
    used = np.zeros(len(mesh.position), bool)
    used[mesh.faces[kept_faces]] = True
    kept = np.flatnonzero(used)
    renumbered = np.cumsum(used) - 1
    result = WorkingMesh(
        position=mesh.position[kept],
        target=mesh.target[kept],
        stratum=mesh.stratum[kept],
        place=mesh.place[kept],
        first_corner=np.full(len(kept), NONE),
        valence=np.zeros(len(kept), np.int64),
        mark=np.zeros(len(kept), np.int64),
        faces=renumbered[mesh.faces[kept_faces]],
        interface=mesh.interface[kept_faces],
        near=mesh.near[kept_faces],
        next_corner=np.full(4 * len(kept_faces), NONE),
        size=np.array([len(kept), len(kept_faces), 0]),
    )
    link(result)
    return result


@njit(cache=True, nogil=True)
def link(mesh: WorkingMesh) -> None:
    """Put every corner into the list of its vertex; the lists must be empty."""
    for face in range(mesh.size[FACES]):
        attach(mesh, 4 * face)
        attach(mesh, 4 * face + 1)
        attach(mesh, 4 * face + 2)


@njit(cache=True, nogil=True, forceinline=True)
def attach(mesh: WorkingMesh, corner: int) -> None:
    """Put a corner into the list of its vertex."""
    vertex = mesh.faces[corner >> 2, corner & 3]
    mesh.next_corner[corner] = mesh.first_corner[vertex]
    mesh.first_corner[vertex] = corner
    mesh.valence[vertex] += 1


@njit(cache=True, nogil=True, forceinline=True)
def detach(mesh: WorkingMesh, corner: int) -> None:
    """Take a corner out of the list of its vertex."""
    vertex = mesh.faces[corner >> 2, corner & 3]
    mesh.valence[vertex] -= 1
    current = mesh.first_corner[vertex]
    if current == corner:
        mesh.first_corner[vertex] = mesh.next_corner[corner]
        return
    while mesh.next_corner[current] != corner:
        current = mesh.next_corner[current]
    mesh.next_corner[current] = mesh.next_corner[corner]


@njit(cache=True, nogil=True, forceinline=True)
def others(mesh: WorkingMesh, corner: int) -> tuple[int, int]:
    """Return the other two vertices of a corner's face, in the order of its winding."""
    face, place = corner >> 2, corner & 3
    following = place + 1 if place < 2 else 0
    return mesh.faces[face, following], mesh.faces[face, 3 - place - following]


@njit(cache=True, nogil=True, forceinline=True)
def faces_at_edge(mesh: WorkingMesh, a: int, b: int) -> tuple[int, int, int]:
    """Return how many faces meet at edge ab, and the corners at a of two of them (or -1)."""
    count, one, two = 0, NONE, NONE
    corner = mesh.first_corner[a]
    while corner != NONE:
        x, y = others(mesh, corner)
        if b in (x, y):
            count += 1
            one, two = corner, one
        corner = mesh.next_corner[corner]
    return count, one, two


@njit(cache=True, nogil=True)
def is_special(mesh: WorkingMesh, a: int, b: int) -> bool:
    """Return whether edge ab is a border or part of a line where interfaces meet."""
    count, one, two = faces_at_edge(mesh, a, b)
    if count != 2 or mesh.interface[one >> 2] != mesh.interface[two >> 2]:
        return True
    return (others(mesh, one)[0] == b) == (others(mesh, two)[0] == b)


@njit(cache=True, nogil=True)
def new_stamp(mesh: WorkingMesh) -> int:
    """Return a number that marks no vertex yet."""
    mesh.size[STAMP] += 1
    return int(mesh.size[STAMP])
