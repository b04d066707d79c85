"""Triangle meshes as napari Surface layers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.orientation import oriented_bodies
from napari_deltamic.plugin.spatial import placement_of

if TYPE_CHECKING:
    from napari.layers import Surface

METADATA_KEY = "napari_deltamic"


def region_values(mesh: TriangleMesh) -> NDArray[np.float32]:
    """Return (V,) the region that each vertex is coloured by: the largest that it bounds."""
    values = np.zeros(len(mesh.vertices), dtype=np.float32)
    np.maximum.at(values, mesh.faces, mesh.labels.max(axis=1).astype(np.float32)[:, None])
    return values


def surface_data(
    mesh: TriangleMesh,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return the data of a Surface layer: vertices in um, faces, and the regions as values."""
    return mesh.vertices.astype(np.float32), mesh.faces, region_values(mesh)


def surface_options(mesh: TriangleMesh) -> dict[str, Any]:
    """Return the arguments of a Surface layer that colour it by region and keep its labels."""
    return {
        "metadata": mesh_metadata(mesh),
        "colormap": "turbo",
        # Below zero, so that a single region is not coloured by the end of the scale.
        "contrast_limits": (-1.0, float(mesh.labels.max(initial=1)) + 1.0),
        "shading": "smooth",
    }


def mesh_metadata(mesh: TriangleMesh) -> dict[str, Any]:
    """Return the layer metadata from which :func:`mesh_from_layer` gets the regions back."""
    return {METADATA_KEY: {"labels": mesh.labels}}


def mesh_from_layer(layer: Surface) -> TriangleMesh:
    """Return the mesh of a Surface layer in um, with the region labels if the layer has them.

    In a closed surface of another program every separate body becomes a region, wound outwards.

    Raises
    ------
    ValueError
        If the layer is not a plain 3D surface, or holds no faces.
    """
    if np.shape(layer.vertices)[-1] != 3 or np.ndim(layer.vertex_values) > 1:
        raise ValueError(f"layer {layer.name!r} is not one 3D surface; choose a single time point")
    if len(layer.faces) == 0:
        raise ValueError(f"layer {layer.name!r} has no faces")
    placement = placement_of(layer)
    vertices = np.asarray(layer.vertices, dtype=np.float64) * placement.spacing + placement.origin
    labels = layer.metadata.get(METADATA_KEY, {}).get("labels")
    if labels is None or len(labels) != len(layer.faces):
        return _with_bodies(TriangleMesh(vertices, layer.faces))
    return TriangleMesh(vertices, layer.faces, labels)


def _with_bodies(mesh: TriangleMesh) -> TriangleMesh:
    if not mesh.is_closed:
        return mesh
    faces, bodies = oriented_bodies(mesh.vertices, mesh.faces)
    return TriangleMesh(mesh.vertices, faces, np.stack([bodies, np.zeros_like(bodies)], axis=1))
