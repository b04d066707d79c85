"""How volumes, areas and centroids change with the vertices, exact for polyhedra.

With the covariance C of the vertices, the variance of such a measure is g . C g, g its gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.moments import region_moments
from napari_deltamic.mesh.sums import grouped_sums
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def volume_gradient(mesh: TriangleMesh, region: int) -> NDArray[np.float64]:
    """Return (V, 3) the derivative of a region's volume by the vertices, in um^2.

    Raises
    ------
    ValueError
        If the mesh has no such region, or its surface is open.
    """
    faces, vectors = _outward(mesh, region)
    return _at_corners(mesh, faces, np.repeat(vectors[:, None] / 3.0, 3, axis=1))


def centroid_gradient(mesh: TriangleMesh, region: int) -> NDArray[np.float64]:
    """Return (3, V, 3) the derivatives of a region's centroid, z, y and x of it, by the vertices.

    Raises
    ------
    ValueError
        If the mesh has no such region, or its surface is open, or its volume is zero.
    """
    faces, vectors = _outward(mesh, region)
    moments = region_moments(mesh)
    row = int(np.searchsorted(mesh.regions, region))
    volume, centroid = moments.volumes[row], moments.centroids[row]
    if volume == 0.0:
        raise ValueError(f"region: {region} has no volume, and so no centroid")
    corners = mesh.vertices[mesh.faces[faces]] - centroid
    # The integral over a face of position times the barycentric coordinate of a corner.
    moved = (corners + corners.sum(axis=1, keepdims=True)) / (12.0 * volume)
    return np.stack(
        [_at_corners(mesh, faces, moved[:, :, axis, None] * vectors[:, None]) for axis in range(3)]
    )


def area_gradient(mesh: TriangleMesh, faces: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return (V, 3) the derivative of the area of some faces by the vertices, in um.

    Parameters
    ----------
    mesh
        The mesh.
    faces
        (F,) which faces count, by default all: ``(mesh.labels == region).any(axis=1)`` for a
        region's surface, ``mesh.face_interfaces == row`` for an interface. Faces of no area count
        for nothing, as theirs has no derivative.

    Raises
    ------
    ValueError
        If there is not one truth value for each face.
    """
    count = len(mesh.faces)
    chosen = np.ones(count, bool) if faces is None else np.asarray(faces)
    if chosen.shape != (count,) or chosen.dtype != np.bool_:
        raise ValueError(
            f"faces: expected ({count},) truth values, got {chosen.dtype} {chosen.shape}"
        )
    normals, _ = mesh.face_normals_and_areas()
    corners = mesh.vertices[mesh.faces[chosen]]
    opposite = np.roll(corners, 1, axis=1) - np.roll(corners, -1, axis=1)
    return _at_corners(mesh, chosen, 0.5 * np.cross(normals[chosen][:, None], opposite))


def _outward(mesh: TriangleMesh, region: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (N,) the faces of a closed region and (N, 3) their area vectors, out of it."""
    inner, outer = (mesh.labels == region).T
    faces = np.flatnonzero(inner | outer)
    if region == 0 or len(faces) == 0:
        raise ValueError(f"region: {region} is not one of the mesh's regions {mesh.regions}")
    wound = np.where(outer[faces, None], mesh.faces[faces, ::-1], mesh.faces[faces])
    if not edge_use(wound).balanced:
        raise ValueError(f"region: the surface of {region} is open; close it first")
    normals, areas = mesh.face_normals_and_areas()
    signs = np.where(outer[faces], -1.0, 1.0)
    return faces, normals[faces] * (areas[faces] * signs)[:, None]


def _at_corners(
    mesh: TriangleMesh,
    faces: NDArray[np.int64] | NDArray[np.bool_],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (V, 3) sums at the vertices of (N, 3, 3) vectors at the corners of N faces."""
    return grouped_sums(mesh.faces[faces].ravel(), values.reshape(-1, 3), len(mesh.vertices))
