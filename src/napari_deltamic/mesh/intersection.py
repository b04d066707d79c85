"""Faces of a mesh that run through each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# A face meets itself and about twelve neighbours, which all count as contacts.
_CONTACTS_PER_FACE = 20


def self_intersections(mesh: TriangleMesh) -> NDArray[np.int64]:
    """Return the pairs of faces that intersect or touch although they share no vertex.

    Returns
    -------
    NDArray
        (N, 2) int64 faces, the lower number first, each pair once, sorted.
    """
    if len(mesh.faces) < 2:
        return np.empty((0, 2), np.int64)
    first, second = np.sort(_contacts(mesh), axis=1).T
    keys = np.unique(first * len(mesh.faces) + second)
    pairs = np.stack(np.divmod(keys, len(mesh.faces)), axis=1)
    one, two = mesh.faces[pairs].transpose(1, 0, 2)
    apart = (one[:, :, None] != two[:, None, :]).all(axis=(1, 2))
    return np.asarray(pairs[apart])


def _contacts(mesh: TriangleMesh) -> NDArray[np.int64]:
    """Return (N, 2) all pairs of faces in contact, also neighbours and faces with themselves."""
    import fcl

    model = fcl.BVHModel()
    model.beginModel(len(mesh.vertices), len(mesh.faces))
    # At unit size about the mean vertex, so that fcl's tolerances suit meshes of any size anywhere.
    centred = mesh.vertices - mesh.vertices.mean(axis=0)
    model.addSubModel(centred / max(np.abs(centred).max(), np.finfo(float).tiny), mesh.faces)
    model.endModel()
    body = fcl.CollisionObject(model)
    limit = _CONTACTS_PER_FACE * len(mesh.faces)
    while True:
        request = fcl.CollisionRequest(num_max_contacts=limit, enable_contact=True)
        result = fcl.CollisionResult()
        fcl.collide(body, body, request, result)
        if len(result.contacts) < limit:
            break
        limit *= 4
    return np.array([(contact.b1, contact.b2) for contact in result.contacts], dtype=np.int64)
