"""What a fit needs of its input, said in sentences."""

from __future__ import annotations

import warnings

import numpy as np

from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh, oriented_outwards
from napari_deltamic.optics import PSF


def checked_start(stack: ImageStack, mesh: TriangleMesh, psf: PSF) -> TriangleMesh:
    """Return the mesh to start from, wound outwards, or raise ValueError saying what is wrong."""
    for name, value, kind in (
        ("stack", stack, ImageStack),
        ("mesh", mesh, TriangleMesh),
        ("psf", psf, PSF),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name}: expected a {kind.__name__}, got {type(value).__name__}")
    trusted = stack.data if stack.mask is None else stack.data[stack.mask]
    if trusted.max() == trusted.min():
        raise ValueError(
            f"stack: every voxel is {trusted.flat[0]:g}, so there is nothing to fit; "
            "check the channel and the frame"
        )
    _check_psf(stack, psf)
    if len(mesh.faces) == 0:
        raise ValueError("mesh: it has no faces; seed one first")
    open_regions = mesh.open_regions()
    if len(open_regions):
        raise ValueError(
            f"mesh: the surface of region {open_regions[0]} is not closed and consistently wound; "
            "napari_deltamic.mesh.closed(mesh) fills its holes"
        )
    _check_place(stack, mesh)
    if (mesh.volumes() < 0).any():
        warnings.warn("mesh: it was inside out and has been turned", stacklevel=4)
        mesh = oriented_outwards(mesh)
    return mesh


def _check_psf(stack: ImageStack, psf: PSF) -> None:
    extent, size = psf.extent(), stack.spacing * stack.shape
    if not np.isfinite(extent).all():
        raise ValueError("psf: its width is not finite")
    if (extent > size).any():
        axis = int(np.argmax(extent / size))
        raise ValueError(
            f"psf: along {'zyx'[axis]} it reaches {extent[axis]:.3g} um and the stack only "
            f"{size[axis]:.3g} um, so nothing would be left to see; are both in um?"
        )


def _check_place(stack: ImageStack, mesh: TriangleMesh) -> None:
    lower, upper = stack.lower_corner, stack.upper_corner
    for region in mesh.regions:
        corners = mesh.vertices[mesh.faces[(mesh.labels == region).any(axis=1)].ravel()]
        if (corners.max(axis=0) < lower).any() or (corners.min(axis=0) > upper).any():
            raise ValueError(
                f"mesh: region {region} lies outside the stack, which spans {np.round(lower, 2)} "
                f"to {np.round(upper, 2)} um (z, y, x); check spacing, origin and units"
            )
