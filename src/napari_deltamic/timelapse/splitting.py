"""A region cut in two along the sheet that its residual shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.timelapse.residuals import Volume, depths

# Ridges this strong may belong to a sheet: in the scatter of all ridges, most of which are noise,
# and as a part of the strongest in the region.
_BRIGHT, _SHARE_OF_STRONGEST = 2.5, 0.4
_STRONGEST_PERCENTILE = 98.0
_DEEP = 1.5
_FEWEST = 10
# Around the sheet's plane, in blur widths, where the watershed decides.
_OPEN = 1.5
# A part smaller than this share of the region is no daughter.
_LEAST_PART = 0.1
# Rounds in which the plane is found anew from the voxels near it.
_ROUNDS = 4
_NEAR = 2.5


class Cut(NamedTuple):
    """Labels with one region cut in two."""

    labels: NDArray[np.int32]
    """(Z, Y, X): the larger part keeps its number."""
    region: int
    new_region: int


def cut_in_two(
    labels: NDArray[np.int32],
    region: int,
    new_region: int,
    ridges: Volume,
    spacing: NDArray[np.float64],
    widths: NDArray[np.float64],
) -> Cut | None:
    """Cut a region along the strongest sheet in it.

    Parameters
    ----------
    labels
        (Z, Y, X) the region of each voxel.
    region, new_region
        Number of the region, and of the smaller of its parts.
    ridges
        (Z, Y, X) how strongly sheets stand out in the residual.
    spacing
        (3,) voxel size in um.
    widths
        (3,) sigmas of the blur in um.

    Returns
    -------
    Cut or None
        None if there is no sheet across the region.
    """
    from skimage.segmentation import watershed

    inside = labels == region
    deep = inside & (depths(labels, spacing, widths) > _DEEP)
    if int(deep.sum()) < _FEWEST:
        return None
    plane = _plane(deep, ridges, spacing, widths)
    if plane is None:
        return None
    # In blur widths, so that a plane seen through a long PSF is as far away as one across it.
    position = np.moveaxis(np.indices(labels.shape), 0, -1) * (spacing / widths)
    height = (position - plane[0]) @ plane[1]
    markers = np.where(height > _OPEN, 2, np.where(height < -_OPEN, 1, 0))
    markers[~inside] = 0
    sizes = np.bincount(markers.ravel(), minlength=3)[1:]
    if sizes.min() == 0:
        return None
    parts = watershed(ridges, markers, mask=inside)
    sizes = np.bincount(parts.ravel(), minlength=3)[1:]
    if sizes.min() < _LEAST_PART * sizes.sum():
        return None
    smaller = int(np.argmin(sizes)) + 1
    result = labels.copy()
    result[parts == smaller] = new_region
    return Cut(result, region, new_region)


def _plane(
    deep: NDArray[np.bool_],
    ridges: Volume,
    spacing: NDArray[np.float64],
    widths: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return a point of the plane through the strongest ridges, and its normal, in blur widths."""
    from scipy import ndimage

    middle = float(np.median(ridges))
    scatter = 1.4826 * float(np.median(np.abs(ridges - middle)))
    strongest = float(np.percentile(ridges[deep], _STRONGEST_PERCENTILE))
    bright = deep & (ridges > max(middle + _BRIGHT * scatter, _SHARE_OF_STRONGEST * strongest))
    pieces, count = ndimage.label(bright, np.ones((3, 3, 3)))
    if count == 0:
        return None
    light = ndimage.sum_labels(ridges, pieces, np.arange(1, count + 1))
    points = np.argwhere(pieces == int(np.argmax(light)) + 1)
    if len(points) < _FEWEST:
        return None
    weights = ridges[tuple(points.T)].astype(np.float64)
    places = points * (spacing / widths)
    near = np.ones(len(points), dtype=bool)
    for _ in range(_ROUNDS):
        weight = np.where(near, weights, 0.0)
        center = weight @ places / weight.sum()
        moments = (places - center).T @ ((places - center) * weight[:, None])
        normal = np.linalg.eigh(moments)[1][:, 0]
        near = np.abs((places - center) @ normal) < _NEAR
        if int(near.sum()) < _FEWEST:
            return None
    return center, normal
