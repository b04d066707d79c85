"""Faces of a mesh that run through each other."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.steps import at_once
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# A face meets itself and about twelve neighbours, which all count as contacts.
_CONTACTS_PER_FACE = 20
# Faces looked at in one go, about a tenth of a second.
_FACES = 500


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
    contacts = yield from _contacts(mesh)
    first, second = np.sort(contacts, axis=1).T
    keys = np.unique(first * len(mesh.faces) + second)
    pairs = np.stack(np.divmod(keys, len(mesh.faces)), axis=1)
    one, two = mesh.faces[pairs].transpose(1, 0, 2)
    apart = (one[:, :, None] != two[:, None, :]).all(axis=(1, 2))
    return np.asarray(pairs[apart])


def _contacts(mesh: TriangleMesh) -> Generator[None, None, NDArray[np.int64]]:
    """Return (N, 2) all pairs of faces in contact, also neighbours and faces with themselves."""
    # At unit size about the mean vertex, so that fcl's tolerances suit meshes of any size anywhere.
    centred = mesh.vertices - mesh.vertices.mean(axis=0)
    vertices = centred / max(np.abs(centred).max(), np.finfo(float).tiny)
    whole, found = _body(vertices, mesh.faces), []
    for first in range(0, len(mesh.faces), _FACES):
        yield
        faces = mesh.faces[first : first + _FACES]
        part = whole if len(faces) == len(mesh.faces) else _body(vertices, faces)
        pairs = _colliding(part, whole, _CONTACTS_PER_FACE * len(faces))
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
