"""The part of a large stack that a fit needs, so that the rest is neither read nor fitted."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.spatial import Placement, Region, StackSource, whole

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.optics import PSF

_ROOM = 1.0
"""How far the surface may move, as a part of the largest region's size."""
_LEAST_ROOM = 12
"""Voxels on each side that are kept in any case: they tell the background."""
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
            region = region_around(self._mesh, source.placement, source.shape, self.psf().extent())
            if prod(part.stop - part.start for part in region) <= _WORTH * prod(source.shape):
                self._part = source.cropped(region)
        return self._part.load()


def region_around(
    mesh: TriangleMesh,
    placement: Placement,
    shape: tuple[int, int, int],
    extent: NDArray[np.float64],
) -> Region:
    """Return the part of a stack around a mesh, with room to move and for its blur.

    Parameters
    ----------
    mesh
        In um, of one vertex at least.
    placement, shape
        The stack's; the mesh meets it.
    extent
        (3,) how far the PSF carries light, in um.
    """
    if not len(mesh.faces):
        # Left to the fit to refuse.
        return whole(shape)
    sizes = [
        np.ptp(mesh.vertices[mesh.faces[(mesh.labels == region).any(axis=1)].ravel()], axis=0)
        for region in mesh.regions
    ]
    spacing = placement.spacing
    margin = np.maximum(_ROOM * np.max(sizes, axis=0) + extent, _LEAST_ROOM * spacing)
    corners = np.stack([mesh.vertices.min(axis=0) - margin, mesh.vertices.max(axis=0) + margin])
    first, last = (corners - placement.origin) / spacing
    starts = np.clip(np.floor(first).astype(int), 0, np.array(shape) - 2)
    stops = np.clip(np.ceil(last).astype(int) + 1, starts + 2, shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))
    return z, y, x
