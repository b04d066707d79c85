"""The part of a large stack that a fit needs, so that the rest is neither read nor fitted."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

from napari_deltamic.imaging.region import region_around
from napari_deltamic.plugin.spatial import Placement, StackSource

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.optics import PSF

_WORTH = 0.5
"""A part larger than this of the stack is not worth a cut."""


class FitRegion:
    """A stack of which only the surroundings of a mesh are loaded, if it is large.

    Which those are depends on the PSF, whose making may take long; so it is found out by
    :meth:`load`, which is for a thread. Until then this stands for the whole stack.

    Parameters
    ----------
    source
        The stack.
    mesh
        What is to be fitted to it.
    make_psf
        Makes the PSF.
    whole_up_to
        Voxels of the largest stack that is taken whole.
    """

    def __init__(
        self, source: StackSource, mesh: TriangleMesh, make_psf: Callable[[], PSF], whole_up_to: int
    ) -> None:
        self._part, self._whole_up_to = source, whole_up_to
        self._mesh, self._make_psf = mesh, make_psf
        self._psf: PSF | None = None

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self._part.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        return self._part.shape

    @property
    def placement(self) -> Placement:
        """Where it lies."""
        return self._part.placement

    def psf(self) -> PSF:
        """Return the PSF, made once."""
        if self._psf is None:
            self._psf = self._make_psf()
        return self._psf

    def load(self) -> ImageStack:
        """Cut a large stack down, and return what is left."""
        source = self._part
        if prod(source.shape) > self._whole_up_to:
            place, extent = source.placement, self.psf().extent()
            region = region_around(self._mesh, source.shape, place.spacing, place.origin, extent)
            if prod(part.stop - part.start for part in region) <= _WORTH * prod(source.shape):
                self._part = source.cropped(region)
        return self._part.load()
