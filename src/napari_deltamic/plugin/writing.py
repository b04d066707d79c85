"""Writer for Surface layers."""

from __future__ import annotations

from typing import Any


def write_surface(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Surface layer as a mesh file, in um, where the layer lies.

    Parameters
    ----------
    path
        Ending in .ply, .stl, .off, .obj or .rec; only .rec keeps region labels.
    data
        The layer's data: vertices, faces and, maybe, values.
    attributes
        The layer's state, with its metadata, scale, translate and units.

    Raises
    ------
    ValueError, OSError
        As :func:`napari_deltamic.write_mesh`; also if the layer is rotated or not 3D.
    """
    from napari.layers import Surface

    from napari_deltamic.mesh import write_mesh
    from napari_deltamic.plugin.mesh_layers import mesh_from_layer

    placed = {
        name: attributes[name]
        for name in ("scale", "translate", "rotate", "shear", "affine", "units", "metadata", "name")
        if name in attributes
    }
    layer = Surface((data[0], data[1]), **placed)
    write_mesh(mesh_from_layer(layer), path)
    return [path]
