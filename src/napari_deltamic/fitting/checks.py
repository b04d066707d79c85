"""What a fit needs of its input, said in sentences."""

from __future__ import annotations

import warnings

import numpy as np

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging.frame_stack import FrameStack, Recording
from napari_deltamic.imaging.place import check_meets, spelled
from napari_deltamic.imaging.stack import OnVoxels
from napari_deltamic.mesh import TriangleMesh, oriented_outwards
from napari_deltamic.mesh.region_boxes import region_boxes
from napari_deltamic.optics import PSF

# How many times larger than the stack a region may be that its border cuts.
_LARGEST = 4.0


def checked_start(
    stack: Recording, mesh: TriangleMesh, psf: PSF, settings: FitSettings
) -> TriangleMesh:
    """Return the mesh to start from, wound outwards, or raise ValueError saying what is wrong."""
    _check_mesh(mesh)
    if isinstance(stack, FrameStack):
        _check_settings_for_frames(settings)
    trusted = stack.data if stack.mask is None else stack.data[stack.mask]
    if trusted.max() == trusted.min():
        raise ValueError(
            f"stack: every voxel is {trusted.flat[0]:g}, so there is nothing to fit; "
            "check the channel and the frame"
        )
    if settings.noise == "poisson" and trusted.min() < 0:
        warnings.warn(
            "stack: some voxels are negative, which counted photons never are, so weights after "
            "Poisson are rough; take less off the data, or choose Gaussian noise",
            stacklevel=4,
        )
    check_reach(stack, mesh, psf)
    open_regions = mesh.open_regions()
    if len(open_regions):
        raise ValueError(
            f"mesh: the surface of region {open_regions[0]} is not closed and consistently wound; "
            "napari_deltamic.mesh.closed(mesh) fills its holes"
        )
    if (mesh.volumes() < 0).any():
        warnings.warn("mesh: it was inside out and has been turned", stacklevel=4)
        mesh = oriented_outwards(mesh)
    return mesh


def check_reach(stack: OnVoxels, mesh: TriangleMesh, psf: PSF) -> None:
    """Raise ValueError unless a mesh lies where a stack does, and the blur fits in."""
    _check_mesh(mesh)
    _check_psf(stack, psf)
    _check_place(stack, mesh)


def _check_mesh(mesh: TriangleMesh) -> None:
    if not isinstance(mesh, TriangleMesh):
        raise TypeError(f"mesh: expected a TriangleMesh, got {type(mesh).__name__}")
    if len(mesh.faces) == 0:
        raise ValueError("mesh: it has no faces; seed one first")


def psf_of(stack: OnVoxels, psf: PSF | None) -> PSF:
    """Return the PSF of a fit, which frames come with, or raise an error saying what is wrong."""
    if isinstance(stack, FrameStack):
        if psf is not None and psf is not stack.psf:
            raise ValueError("psf: frames come with that of their acquisition; leave it out")
        return stack.psf
    if not isinstance(stack, OnVoxels):
        raise TypeError(f"stack: expected an ImageStack, got {type(stack).__name__}")
    if not isinstance(psf, PSF):
        raise TypeError(f"psf: expected a PSF, got {type(psf).__name__}")
    return psf


def _check_settings_for_frames(settings: FitSettings) -> None:
    for name in ("learn", "fit_attenuation", "standard_errors"):
        if getattr(settings, name):
            raise ValueError(f"{name}: not possible with frames, only with a stack; leave it out")


def _check_psf(stack: OnVoxels, psf: PSF) -> None:
    extent, size = psf.extent(), stack.spacing * stack.shape
    if not np.isfinite(extent).all():
        raise ValueError("psf: its width is not finite")
    if (extent > size).any():
        axis = int(np.argmax(extent / size))
        raise ValueError(
            f"psf: along {'zyx'[axis]} it reaches {extent[axis]:.3g} um and the stack only "
            f"{size[axis]:.3g} um, so nothing would be left to see; are both in um?"
        )


def _check_place(stack: OnVoxels, mesh: TriangleMesh) -> None:
    lower, upper = stack.lower_corner, stack.upper_corner
    for region, low, high in zip(mesh.regions, *region_boxes(mesh), strict=True):
        check_meets(np.stack([low, high]), lower, upper, f"mesh: region {region}")
        size = high - low
        if (size > _LARGEST * (upper - lower)).any():
            raise ValueError(
                f"mesh: region {region} is {spelled(size)} um across (z, y, x) and the stack only "
                f"{spelled(upper - lower)}; are both in um?"
            )
