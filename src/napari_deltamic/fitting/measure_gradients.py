"""How volumes and areas change with the vertices of a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def volume_gradients(mesh: TriangleMesh) -> csr_matrix:
    """Return (R, 3 V) the derivatives of the regions' volumes, in um^2.

    The columns are those of ``mesh.vertices.ravel()``.
    """
    inner, outer = np.searchsorted(mesh.regions, mesh.labels.T)
    corners = mesh.vertices[mesh.faces]
    parts = [
        np.cross(corners[:, (corner + 1) % 3], corners[:, (corner + 2) % 3]) / 6.0
        for corner in range(3)
    ]
    # About the origin each face's own share is not its part of the sum, but the sum is right.
    by_corner = np.stack(parts, axis=1)
    inside, outside = mesh.labels.T > 0
    return _rows(
        mesh,
        np.concatenate([inner[inside], outer[outside]]),
        np.concatenate([mesh.faces[inside], mesh.faces[outside]]),
        np.concatenate([by_corner[inside], -by_corner[outside]]),
        len(mesh.regions),
    )


def area_gradients(mesh: TriangleMesh) -> csr_matrix:
    """Return (I, 3 V) the derivatives of the interfaces' areas, in um."""
    normals, _ = mesh.face_normals_and_areas()
    corners = mesh.vertices[mesh.faces]
    parts = [
        0.5 * np.cross(normals, corners[:, (corner + 2) % 3] - corners[:, (corner + 1) % 3])
        for corner in range(3)
    ]
    by_corner = np.stack(parts, axis=1)
    return _rows(mesh, mesh.face_interfaces, mesh.faces, by_corner, len(mesh.interfaces))


def interfaces_of_regions(mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return (R, I) which interfaces bound each region: 1 where one does, else 0."""
    bounds = (mesh.interfaces[None] == mesh.regions[:, None, None]).any(axis=2)
    return np.asarray(bounds, dtype=np.float64)


def _rows(
    mesh: TriangleMesh,
    row: NDArray[np.int64],
    faces: NDArray[np.int64],
    by_corner: NDArray[np.float64],
    count: int,
) -> csr_matrix:
    from scipy.sparse import csr_matrix

    columns = 3 * faces[:, :, None] + np.arange(3)
    rows = np.broadcast_to(row[:, None, None], columns.shape)
    entries = by_corner.ravel(), (rows.ravel(), columns.ravel())
    return csr_matrix(entries, shape=(count, 3 * len(mesh.vertices)))
