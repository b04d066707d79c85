"""Reader for mesh files; of .obj napari has one too, which takes x for z."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SUFFIXES = (".rec", ".ply", ".stl", ".off", ".obj")

LayerData = tuple[Any, dict[str, Any], str]


def get_mesh_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return the reader if all paths end like mesh files."""
    paths = [path] if isinstance(path, str) else path
    if paths and all(str(name).lower().endswith(SUFFIXES) for name in paths):
        return read_meshes
    return None


def read_meshes(path: str | list[str]) -> list[LayerData]:
    """Read mesh files as Surface layers, lengths in um, with their region labels.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`napari_deltamic.read_mesh`.
    """
    from napari_deltamic.mesh import read_mesh
    from napari_deltamic.plugin.mesh_layers import surface_data, surface_options

    layers: list[LayerData] = []
    for name in [path] if isinstance(path, str) else path:
        mesh = read_mesh(name)
        options = surface_options(mesh) | {"name": Path(name).stem, "units": ("um",) * 3}
        layers.append((surface_data(mesh), options, "surface"))
    return layers
