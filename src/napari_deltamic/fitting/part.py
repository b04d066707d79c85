"""The part of a stack on disk that a fit needs."""

from __future__ import annotations

from napari_deltamic.fitting.checks import check_reach
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.imaging.region import region_around
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF


def part_around(stack: LazyStack, mesh: TriangleMesh, psf: PSF) -> ImageStack:
    """Read what lies around a mesh, with room to move and for its blur.

    Parameters
    ----------
    stack
        Where the mesh lies.
    mesh
        To be fitted, in um.
    psf
        The blur of the microscope.

    Returns
    -------
    ImageStack
        In its place.

    Raises
    ------
    ValueError
        If the mesh has no faces or lies outside of the stack, if the PSF is wider than the stack,
        or if the part cannot be read or holds NaN or infinity.
    """
    check_reach(stack, mesh, psf)
    region = region_around(mesh, stack.shape, stack.spacing, stack.origin, psf.extent())
    return stack.part([one.start for one in region], [one.stop for one in region])
