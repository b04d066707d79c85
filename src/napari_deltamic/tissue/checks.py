"""What the fit of a tissue needs of its input, said in sentences."""

from __future__ import annotations

import operator

import numpy as np

from napari_deltamic.fitting.checks import check_reach
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF

_NOT_IN_BLOCKS = ("learn", "fit_attenuation", "standard_errors")


def checked_tissue(
    stack: LazyStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings, cells: int
) -> TriangleMesh:
    """Return the mesh to start from, or raise an error saying what is wrong with the input.

    What each block needs is checked when its turn comes.
    """
    if not isinstance(stack, LazyStack):
        raise TypeError(
            f"stack: expected a LazyStack, got {type(stack).__name__}; open_stack opens a file as "
            "one, and LazyStack(array, spacing) makes one"
        )
    if not isinstance(mesh, TriangleMesh):
        raise TypeError(f"mesh: expected a TriangleMesh, got {type(mesh).__name__}")
    if not isinstance(psf, PSF):
        raise TypeError(f"psf: expected a PSF, got {type(psf).__name__}")
    if not isinstance(settings, FitSettings):
        raise TypeError(f"settings: expected FitSettings, got {type(settings).__name__}")
    try:
        operator.index(cells)
    except TypeError:
        raise TypeError(f"cells: expected a whole number, got {cells!r}") from None
    for name in _NOT_IN_BLOCKS:
        if getattr(settings, name):
            raise ValueError(
                f"{name}: not possible in blocks; fit a part of the tissue at once to learn it"
            )
    check_reach(stack, mesh, psf)
    open_regions = mesh.open_regions()
    if len(open_regions):
        raise ValueError(
            f"mesh: the surface of region {open_regions[0]} is not closed and consistently wound; "
            "napari_deltamic.mesh.closed(mesh) fills its holes"
        )
    if (mesh.volumes() < 0).any():
        region = mesh.regions[int(np.argmin(mesh.volumes()))]
        raise ValueError(
            f"mesh: region {region} is inside out; napari_deltamic.mesh.oriented_outwards(mesh) "
            "turns it"
        )
    return mesh
