"""The meshes of a movie as one surface with time, such as napari's Surface layer shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh import TriangleMesh


def surface_4d(
    meshes: Sequence[TriangleMesh],
    values: Sequence[ArrayLike] | None = None,
    first_frame: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return vertices, faces and values of all meshes as one surface in time and space.

    Faces of a frame join vertices of that frame only, so a viewer that slices along the first axis
    shows one frame at a time.

    Parameters
    ----------
    meshes
        One for each frame.
    values
        (V,) numbers for the vertices of each mesh; by default the region that each belongs to, the
        lowest where several meet.
    first_frame
        Time of the first mesh; the others follow one by one.

    Returns
    -------
    vertices
        (N, 4): frame, then z, y, x in um.
    faces
        (M, 3) rows of ``vertices``. Those whose inner side is the outside are turned round, so that
        all normals point out of a region.
    values
        (N,).

    Raises
    ------
    ValueError
        If there is no mesh, or the values do not match the meshes.
    """
    if not meshes:
        raise ValueError("meshes: there is none; give one for each frame")
    if values is None:
        values = [_regions_of_vertices(mesh) for mesh in meshes]
    if len(values) != len(meshes):
        raise ValueError(f"values: expected one array for each of {len(meshes)} meshes")
    vertices, faces, numbers, count = [], [], [], 0
    for frame, (mesh, given) in enumerate(zip(meshes, values, strict=True), start=first_frame):
        one = np.asarray(given, dtype=np.float64)
        if one.shape != (len(mesh.vertices),):
            raise ValueError(
                f"values: frame {frame} has {len(mesh.vertices)} vertices, got shape {one.shape}"
            )
        vertices.append(np.column_stack([np.full(len(mesh.vertices), frame), mesh.vertices]))
        outside_in = mesh.labels[:, :1] == 0
        faces.append(np.where(outside_in, mesh.faces[:, ::-1], mesh.faces) + count)
        numbers.append(one)
        count += len(mesh.vertices)
    return np.concatenate(vertices), np.concatenate(faces), np.concatenate(numbers)


def _regions_of_vertices(mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return (V,) the lowest region at each vertex, 0 for vertices of no face."""
    beyond = int(mesh.labels.max(initial=0)) + 1
    lowest = np.where(mesh.labels > 0, mesh.labels, beyond).min(axis=1)
    regions = np.full(len(mesh.vertices), beyond)
    np.minimum.at(regions, mesh.faces, lowest[:, None])
    return np.where(regions < beyond, regions, 0).astype(np.float64)
