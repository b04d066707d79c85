"""Values of an image between its voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def sampled(
    image: NDArray[np.float32], points: ArrayLike, spacing: ArrayLike, origin: ArrayLike
) -> NDArray[np.float64]:
    """Return the values of an image at points, linear between the centres of voxels.

    Parameters
    ----------
    image
        (Z, Y, X) with at least two voxels along every axis.
    points
        (N, 3) in um.
    spacing, origin
        (3,) voxel size and centre of voxel (0, 0, 0) in um.

    Returns
    -------
    ndarray
        (N,) values; NaN beyond the outermost voxels' faces. Between these and their centres the
        value is that of the nearest point between centres.
    """
    last = np.array(image.shape) - 1
    place = (np.asarray(points, dtype=np.float64) - np.asarray(origin)) / np.asarray(spacing)
    is_outside = ((place < -0.5) | (place > last + 0.5)).any(axis=1)
    place = np.clip(place, 0, last)
    lower = np.minimum(place.astype(np.int64), last - 1)
    part = place - lower
    total = np.zeros(len(place))
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, part, 1.0 - part).prod(axis=1)
        z, y, x = (lower + corner).T
        total += weight * image[z, y, x]
    return np.where(is_outside, np.nan, total)
