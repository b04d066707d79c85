"""The command ``info``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_deltamic.cli.paths import STACK
from napari_deltamic.cli.words import counted


def info(file: Annotated[Path | None, Parameter(validator=STACK)] = None, /) -> None:
    """Print what is installed and used, or what a stack or a mesh file holds.

    Parameters
    ----------
    file
        A TIFF or OME-Zarr stack or a mesh; without it the installation is described.
    """
    from napari_deltamic.cli.tables import print_table

    if file is None:
        print_table("napari-deltamic", ("", ""), installation(), words=2)
    elif file.is_dir() or file.suffix.lower() in (".tif", ".tiff"):
        print_table(file.name, ("", ""), _stack_facts(file), words=2)
    else:
        print_table(file.name, ("", ""), _mesh_facts(file), words=2)


def installation() -> list[tuple[str, str]]:
    """Return versions, cores and the device that transforms run on, with the reason."""
    from napari_deltamic.cli.outputs import versions
    from napari_deltamic.imaging.local_data import DATA_VARIABLE, data_folder
    from napari_deltamic.meshft import MeshFourierTransform

    transform = MeshFourierTransform((8, 8, 8), (1.0, 1.0, 1.0))
    folder = data_folder()
    return [
        *versions().items(),
        ("cores", str(_cores())),
        ("device", transform.device_reason),
        ("GPU", _gpu()),
        ("real data", str(folder) if folder else f"none ({DATA_VARIABLE} is not set to a folder)"),
    ]


def _cores() -> int:
    # A container or a batch job may own fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use"
    return ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))


def _stack_facts(file: Path) -> list[tuple[str, str]]:
    from napari_deltamic.imaging import stack_info

    found = stack_info(file)
    facts = [
        ("axes", found.axes),
        ("shape", " x ".join(str(size) for size in found.shape)),
        ("type", found.dtype),
        ("channels", str(found.channels)),
        ("frames", str(found.frames)),
    ]
    if found.chunks is not None:
        facts.append(("chunks", " x ".join(str(size) for size in found.chunks)))
    if found.spacing is None:
        return [*facts, ("voxel size", f"not known ({found.spacing_note}): give --spacing")]
    size = " x ".join(f"{step:g}" for step in found.spacing)
    facts.append(("voxel size (z, y, x)", f"{size} µm"))
    extent = zip("ZYX", found.spacing, strict=True)
    sizes = dict(zip(found.axes, found.shape, strict=True))
    lengths = " x ".join(f"{sizes.get(axis, 1) * step:.4g}" for axis, step in extent)
    return [*facts, ("extent (z, y, x)", f"{lengths} µm")]


def _mesh_facts(file: Path) -> list[tuple[str, str]]:
    from napari_deltamic.mesh import read_mesh, self_intersections
    from napari_deltamic.mesh.topology import edge_use

    mesh = read_mesh(file)
    edges = edge_use(mesh.faces).edges
    lengths = ((mesh.vertices[edges[:, 0]] - mesh.vertices[edges[:, 1]]) ** 2).sum(axis=1) ** 0.5
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    holed = mesh.open_regions()
    names = ", ".join(str(region) for region in holed)
    crossing = len(self_intersections(mesh))
    return [
        ("vertices", f"{len(mesh.vertices):,}"),
        ("faces", f"{len(mesh.faces):,}"),
        ("regions", str(len(mesh.regions))),
        ("interfaces", str(len(mesh.interfaces))),
        ("closed", f"no, not region{'s' * (len(holed) > 1)} {names}" if names else "yes"),
        ("self-intersections", f"{counted(crossing, 'pair')} of faces" if crossing else "none"),
        ("edges", f"{lengths.min():.3g} to {lengths.max():.3g} µm, mean {lengths.mean():.3g} µm"),
        ("from (z, y, x)", ", ".join(f"{position:.4g}" for position in low) + " µm"),
        ("to (z, y, x)", ", ".join(f"{position:.4g}" for position in high) + " µm"),
    ]
