"""What lies outside the cells: told by size, as no ball of a cell's size fits through a wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.region_graph import exposed_areas

_BALL = 1.0
"""In radii of a typical cell."""
_LEAST_EXPOSED = 0.02
"""Of the border: less is no part of the outside."""


def outside_pieces(
    pieces: NDArray[np.int32],
    walls: NDArray[np.bool_],
    usual: float,
    spacing: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which pieces a ball that comes in from the border reaches.

    The ball is nearly as large as a cell, so that it enters no cell through a gap in a wall.

    Parameters
    ----------
    pieces
        (Z, Y, X) labels.
    walls
        (Z, Y, X) voxels that the ball must not touch.
    usual
        Volume of a typical cell in um^3.
    spacing
        (3,) voxel size in um.

    Returns
    -------
    ndarray
        (count,) bool.
    """
    from scipy import ndimage

    count = int(pieces.max()) + 1
    if not walls.any():
        return np.arange(count) > 0
    radius = _BALL * np.cbrt(0.75 * usual / np.pi)
    room = ndimage.distance_transform_edt(~walls, sampling=spacing) > radius
    places, found = ndimage.label(room)
    if found == 0:
        return np.zeros(count, dtype=bool)
    exposed = exposed_areas(places, spacing)
    reached = (exposed > _LEAST_EXPOSED * exposed_areas(np.ones_like(pieces), spacing)[1])[places]
    if not reached.any():
        return np.zeros(count, dtype=bool)
    swept = ndimage.distance_transform_edt(~reached, sampling=spacing) <= radius
    share = np.bincount(pieces[swept], minlength=count) / np.maximum(
        np.bincount(pieces.ravel(), minlength=count), 1
    )
    share[0] = 0.0
    return np.asarray(share > 0.5)


def typical_volume(volumes: NDArray[np.float64]) -> float:
    """Return the volume such that half of all the volume lies in smaller regions."""
    ascending = np.sort(volumes)
    return float(ascending[np.searchsorted(np.cumsum(ascending), 0.5 * ascending.sum())])


def closed_mask(
    mask: NDArray[np.bool_], reach: float, spacing: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return the mask with gaps of less than twice ``reach`` um filled."""
    from scipy import ndimage

    near = ndimage.distance_transform_edt(~mask, sampling=spacing) <= reach
    if near.all():
        return np.asarray(near)
    return np.asarray(mask | (ndimage.distance_transform_edt(near, sampling=spacing) > reach))
