"""Faces of a mesh that run through each other."""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks, thread_count
from napari_deltamic.mesh.clearance import filed_by_place, on_one_side
from napari_deltamic.mesh.steps import at_once
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# A face meets itself and about twelve neighbours, which all count as contacts.
_CONTACTS_PER_FACE = 20
# Faces looked at in one go, about a tenth of a second.
_FACES = 500
# A mesh is even if no face is so much larger than most.
_EVEN = 10.0


def self_intersections(mesh: TriangleMesh) -> NDArray[np.int64]:
    """Return the pairs of faces that intersect or touch although they share no vertex.

    Returns
    -------
    NDArray
        (N, 2) int64 faces, the lower number first, each pair once, sorted.
    """
    return at_once(intersecting(mesh))


def intersecting(mesh: TriangleMesh) -> Generator[None, None, NDArray[np.int64]]:
    """Do what :func:`self_intersections` does bit by bit; it may be left off at every yield."""
    if len(mesh.faces) < 2:
        return np.empty((0, 2), np.int64)
    near = np.flatnonzero(_suspects(mesh.vertices, mesh.faces))
    if len(near) == 0:
        return np.empty((0, 2), np.int64)
    contacts = near[(yield from _contacts(mesh.vertices, mesh.faces[near]))]
    first, second = np.sort(contacts, axis=1).T
    keys = np.unique(first * len(mesh.faces) + second)
    pairs = np.stack(np.divmod(keys, len(mesh.faces)), axis=1)
    one, two = mesh.faces[pairs].transpose(1, 0, 2)
    apart = (one[:, :, None] != two[:, None, :]).all(axis=(1, 2))
    return np.asarray(pairs[apart])


def _suspects(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (F,) which faces may meet one that shares no vertex with them.

    Most do not: no box around such a face meets theirs, or it lies on one side of their plane.
    """
    corners = vertices[faces]
    sizes = np.ptp(corners, axis=1).max(axis=1)
    if sizes.max() > _EVEN * max(float(np.median(sizes)), np.finfo(float).tiny):
        # Cells as large as the largest face would hold too many of the others.
        return np.ones(len(faces), np.bool_)
    filed, order, steps, boxes = filed_by_place(vertices, faces, 0.0)
    bounds = np.linspace(0, len(faces), 4 * thread_count() + 1).astype(int)
    chunks = [(k, *ends) for k, ends in enumerate(pairwise(bounds.tolist()))]
    # A row for each chunk, so that no two threads write to one.
    found = np.zeros((len(chunks), len(faces)), np.bool_)
    run_chunks(_suspect, chunks, vertices, faces[order], boxes, filed, steps, found)
    result = np.empty(len(faces), np.bool_)
    result[order] = found.any(axis=0)
    return result


@njit(cache=True, nogil=True)
def _suspect(  # type: ignore[no-untyped-def]
    chunk, first, last, vertices, faces, boxes, filed, steps, result
):
    for face in range(first, last):
        for z in (-1, 0, 1):
            for y in (-1, 0, 1):
                # Three cells of a row lie one behind the other.
                middle = filed[face] + z * steps[0] + y * steps[1]
                begin = np.searchsorted(filed, middle - 1)
                for other in range(begin, np.searchsorted(filed, middle + 2)):
                    if other <= face or _apart(boxes, face, other):
                        continue
                    if _share_vertex(faces, face, other):
                        continue
                    if on_one_side(vertices, faces, face, other):
                        continue
                    if on_one_side(vertices, faces, other, face):
                        continue
                    result[chunk, face] = result[chunk, other] = True


@njit(cache=True, nogil=True)
def _apart(boxes, one, two):  # type: ignore[no-untyped-def]
    for axis in range(3):
        if boxes[one, axis] > boxes[two, axis + 3] or boxes[two, axis] > boxes[one, axis + 3]:
            return True
    return False


@njit(cache=True, nogil=True)
def _share_vertex(faces, one, two):  # type: ignore[no-untyped-def]
    for a in range(3):
        for b in range(3):
            if faces[one, a] == faces[two, b]:
                return True
    return False


def _contacts(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> Generator[None, None, NDArray[np.int64]]:
    """Return (N, 2) all pairs of faces in contact, also neighbours and faces with themselves."""
    # At unit size about the mean vertex, so that fcl's tolerances suit meshes of any size anywhere.
    used, corners = np.unique(faces, return_inverse=True)
    faces = corners.reshape(-1, 3)
    centred = vertices[used] - vertices[used].mean(axis=0)
    vertices = centred / max(np.abs(centred).max(), np.finfo(float).tiny)
    whole, found = _body(vertices, faces), []
    for first in range(0, len(faces), _FACES):
        yield
        some = faces[first : first + _FACES]
        part = whole if len(some) == len(faces) else _body(vertices, some)
        pairs = _colliding(part, whole, _CONTACTS_PER_FACE * len(some))
        found.append(pairs + np.array([first, 0]))
    return np.concatenate(found)


def _body(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Any:
    import fcl

    # fcl copies vertices one by one.
    used, corners = np.unique(faces, return_inverse=True)
    model = fcl.BVHModel()
    model.beginModel(len(used), len(faces))
    model.addSubModel(vertices[used], corners.reshape(-1, 3))
    model.endModel()
    return fcl.CollisionObject(model)


def _colliding(one: Any, two: Any, limit: int) -> NDArray[np.int64]:
    """Return (N, 2) all pairs of faces of two bodies in contact; ``limit`` is how many at first."""
    import fcl

    while True:
        request = fcl.CollisionRequest(num_max_contacts=limit, enable_contact=True)
        result = fcl.CollisionResult()
        fcl.collide(one, two, request, result)
        if len(result.contacts) < limit:
            break
        limit *= 4
    pairs = [(contact.b1, contact.b2) for contact in result.contacts]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
