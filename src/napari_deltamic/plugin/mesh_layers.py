"""Triangle meshes as napari Surface layers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.orientation import oriented_bodies
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS, colour_values, region_colormap
from napari_deltamic.plugin.spatial import placement_of

if TYPE_CHECKING:
    from napari.layers import Surface

METADATA_KEY = "napari_deltamic"
_STAND_IN = "stand_in"


class SplitSurface(NamedTuple):
    """The faces of a mesh with a vertex of their own for each colour that meets at it."""

    vertex_of: NDArray[np.int64]
    """(W,) the mesh's vertex that each of the layer's is."""
    faces: NDArray[np.int64]
    """(F, 3) in the layer's vertices, in the mesh's order."""


def split_surface(faces: NDArray[np.int64], keys: NDArray[np.int64]) -> SplitSurface:
    """Give faces with different keys, (F,) whole numbers, vertices of their own.

    napari colours vertices, so a vertex that faces of two colours shared would blend them.
    Vertices of no face are left out.
    """
    keys_used, ranks = np.unique(keys, return_inverse=True)
    stride = max(len(keys_used), 1)
    pairs, inverse = np.unique(faces * stride + ranks.reshape(-1, 1), return_inverse=True)
    return SplitSurface(pairs // stride, inverse.reshape(-1, 3).astype(np.int64))


def split_by_interface(mesh: TriangleMesh) -> SplitSurface:
    """Return the faces split between the interfaces, so that each can have its own colour."""
    return split_surface(mesh.faces, mesh.face_interfaces)


def region_values(mesh: TriangleMesh, split: SplitSurface) -> NDArray[np.float32]:
    """Return (W,) the colour of each of the layer's vertices: that of the face's larger region."""
    regions = np.ones(len(split.vertex_of), dtype=np.int64)
    regions[split.faces] = mesh.labels.max(axis=1, initial=0)[:, None]
    return colour_values(regions)


def surface_data(
    mesh: TriangleMesh, unit: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return the data of a Surface layer: vertices, faces, and the regions as values.

    Parameters
    ----------
    mesh
        In um.
    unit
        Of the layer's vertices, in um; see :attr:`Placement.mesh_unit`.
    """
    split = split_by_interface(mesh)
    return split_vertices(mesh, split, unit), split.faces, region_values(mesh, split)


def split_vertices(mesh: TriangleMesh, split: SplitSurface, unit: float) -> NDArray[np.float32]:
    """Return (W, 3) the positions of the layer's vertices, in a unit given in um."""
    return (mesh.vertices[split.vertex_of] / unit).astype(np.float32)


def surface_options(mesh: TriangleMesh) -> dict[str, Any]:
    """Return the arguments of a Surface layer that colour it by region and keep its labels."""
    return {
        "metadata": mesh_metadata(mesh),
        "colormap": region_colormap(),
        "contrast_limits": CONTRAST_LIMITS,
        "shading": "smooth",
    }


def mesh_metadata(mesh: TriangleMesh) -> dict[str, Any]:
    """Return the layer metadata from which :func:`mesh_from_layer` gets the mesh back."""
    return {METADATA_KEY: {"labels": mesh.labels, "vertex_of": split_by_interface(mesh).vertex_of}}


def set_stand_in(layer: Surface, mesh: TriangleMesh | None) -> None:
    """Say what :func:`mesh_from_layer` shall return while a layer shows something else.

    Parameters
    ----------
    layer
        Made from :func:`surface_data` and :func:`surface_options`.
    mesh
        In um; None for what the layer shows.
    """
    kept = {key: value for key, value in layer.metadata[METADATA_KEY].items() if key != _STAND_IN}
    if mesh is not None:
        kept[_STAND_IN] = mesh
    layer.metadata = {**layer.metadata, METADATA_KEY: kept}


def mesh_from_layer(layer: Surface) -> TriangleMesh:
    """Return the mesh of a Surface layer in um, with the region labels if the layer has them.

    That is its stand-in, if it has one: see :func:`set_stand_in`.
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
    kept = layer.metadata.get(METADATA_KEY, {})
    if _STAND_IN in kept:
        return kept[_STAND_IN]
    labels, vertex_of = kept.get("labels"), kept.get("vertex_of")
    if labels is None or len(labels) != len(layer.faces):
        return _with_bodies(TriangleMesh(vertices, layer.faces))
    if vertex_of is None or len(vertex_of) != len(vertices):
        return TriangleMesh(vertices, layer.faces, labels)
    numbers, first, joined = np.unique(vertex_of, return_index=True, return_inverse=True)
    if len(numbers) == len(vertices):
        return TriangleMesh(vertices, layer.faces, labels)
    return TriangleMesh(vertices[first], joined.reshape(-1)[layer.faces], labels)


def set_mesh(layer: Surface, mesh: TriangleMesh) -> None:
    """Show another mesh, in um, in a Surface layer, where :func:`mesh_from_layer` finds it."""
    placement = placement_of(layer)
    vertices, faces, values = surface_data(mesh)
    scaled = (vertices.astype(np.float64) - placement.origin) / placement.spacing
    layer.data = scaled.astype(np.float32), faces, values
    layer.metadata = {**layer.metadata, **mesh_metadata(mesh)}
    layer.colormap, layer.contrast_limits = region_colormap(), CONTRAST_LIMITS


def _with_bodies(mesh: TriangleMesh) -> TriangleMesh:
    if not mesh.is_closed:
        return mesh
    faces, bodies = oriented_bodies(mesh.vertices, mesh.faces)
    return TriangleMesh(mesh.vertices, faces, np.stack([bodies, np.zeros_like(bodies)], axis=1))
