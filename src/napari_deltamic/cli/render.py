"""The command ``render``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.paths import FILE, check_output_file
from napari_deltamic.cli.psf_files import BLUR, chosen_psf
from napari_deltamic.cli.values import Three, WholeThree


def render(
    mesh: Annotated[Path, Parameter(validator=FILE)],
    /,
    *,
    shape: WholeThree,
    spacing: Three,
    output: Annotated[Path, Parameter(alias="-o")],
    sigma: Annotated[Three | None, Parameter(group=BLUR)] = None,
    psf: Annotated[Path | None, Parameter(group=BLUR, validator=FILE)] = None,
    origin: Three = (0.0, 0.0, 0.0),
    membrane: float | None = None,
    interior: float = 0.0,
    background: float = 0.0,
) -> None:
    """Render a mesh through a microscope into an OME-TIFF.

    Parameters
    ----------
    mesh
        A mesh file in um: .rec with regions, or .ply, .obj, .stl, .off.
    shape
        Voxels of the image along z, y and x.
    spacing
        Voxel size in um along z, y and x.
    output
        The image to write, .tif; 32-bit floating point.
    sigma
        Standard deviation of the blur in um along z, y and x.
    psf
        A PSF file, .json, that `napari-deltamic psf` has made.
    origin
        Centre of the first voxel in um, (z, y, x).
    membrane
        Brightness of the surface per um^2; 1 unless the interior is given.
    interior
        Brightness of what the surface encloses, per um^3.
    background
        Brightness added to every voxel.
    """
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.imaging import render as image_of
    from napari_deltamic.imaging import write_stack
    from napari_deltamic.mesh import read_mesh

    check_output_file("--output", output, ".tif", ".tiff")
    if min(shape) < 2:
        raise UsageError(f"--shape: needs at least two voxels along every axis, got {shape}")
    on_surface = (0.0 if interior else 1.0) if membrane is None else membrane
    blur = chosen_psf(sigma, psf)
    surface = read_mesh(mesh)
    image = image_of(surface, blur, shape, spacing, origin, on_surface, interior, background)
    write_stack(output, image, spacing)
    say(f"Wrote {output}")
