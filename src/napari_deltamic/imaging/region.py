"""The part of a large stack around a mesh, so that the rest is neither read nor fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_deltamic.mesh import TriangleMesh

Region = tuple[slice, slice, slice]
"""First voxels, and those after the last, along z, y and x."""

_ROOM = 1.0
"""How far the surface may move, as a part of the largest region's size."""
_LEAST_ROOM = 12
"""Voxels on each side that are kept in any case: they tell the background."""


def whole(shape: tuple[int, int, int]) -> Region:
    """Return the region that is all of a stack."""
    z, y, x = (slice(0, size) for size in shape)
    return z, y, x


def region_around(
    mesh: TriangleMesh,
    shape: tuple[int, int, int],
    spacing: NDArray[np.float64],
    origin: NDArray[np.float64],
    extent: NDArray[np.float64],
) -> Region:
    """Return the part of a stack around a mesh, with room to move and for its blur.

    Parameters
    ----------
    mesh
        In um; it meets the stack. Around none, that is one without faces, is the whole stack.
    shape, spacing, origin
        The stack's: voxels, their size in um and the centre of the first in um, (z, y, x).
    extent
        (3,) how far the PSF carries light, in um.
    """
    if not len(mesh.faces):
        return whole(shape)
    sizes = [
        np.ptp(mesh.vertices[mesh.faces[(mesh.labels == region).any(axis=1)].ravel()], axis=0)
        for region in mesh.regions
    ]
    margin = np.maximum(_ROOM * np.max(sizes, axis=0) + extent, _LEAST_ROOM * spacing)
    corners = np.stack([mesh.vertices.min(axis=0) - margin, mesh.vertices.max(axis=0) + margin])
    first, last = (corners - origin) / spacing
    starts = np.clip(np.floor(first).astype(int), 0, np.array(shape) - 2)
    stops = np.clip(np.ceil(last).astype(int) + 1, starts + 2, shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))
    return z, y, x
