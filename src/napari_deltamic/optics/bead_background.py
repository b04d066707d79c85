"""What a stack of beads shows where there is no bead: its background, plane by plane, and noise."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

BackgroundKind = Literal["planes", "constant"]

_ROUNDING = float(np.finfo(np.float32).eps)
_CLIP = 3.0
_ROUNDS = 8
# Voxels of a plane that are looked at, at least.
_ENOUGH = 1 << 16
# A plane's background comes from this share of it at least: the voxels farthest from any bead.
_SMALLEST_SHARE = 0.1


class Background(NamedTuple):
    """What lies under the beads."""

    level: NDArray[np.float64]
    """(Z, 1, 1) brightness of each plane."""
    noise: float
    """Standard deviation of one voxel."""


def dark_background(
    image: NDArray[np.float64], whole_numbers: bool, kind: BackgroundKind, dark: NDArray[np.bool_]
) -> Background:
    """Return background and noise from the voxels that show no bead.

    Parameters
    ----------
    image
        (Z, Y, X).
    whole_numbers
        Whether the image holds whole numbers: their rounding is noise too, and all there is where
        every voxel reads the same.
    kind
        One level for each plane, since haze differs from plane to plane; or one for all.
    dark
        (Y, X) True where no bead is; or (Z, Y, X).

    Notes
    -----
    Means of what lies within three standard deviations, not medians: a median of camera counts of
    1 and 2 is one of the two.
    """
    voxels = np.where(dark, image, np.nan).reshape(len(image), -1)
    voxels = voxels[:, :: max(1, voxels.shape[1] // _ENOUGH)]
    # Made-up images without noise still have that of single precision.
    floor = 1.0 / np.sqrt(12.0) if whole_numbers else _ROUNDING * float(np.abs(image).max())
    if kind == "constant":
        voxels = voxels.reshape(1, -1)
    for _ in range(_ROUNDS):
        mean = np.nanmean(voxels, axis=1, keepdims=True)
        # Rounded values of hardly any noise must not be clipped to a single one.
        spread = np.maximum(np.nanstd(voxels, axis=1, keepdims=True), 2.0 * floor)
        outliers = np.abs(voxels - mean) > _CLIP * spread
        if not outliers.any():
            break
        voxels[outliers] = np.nan
    level = np.nanmean(voxels, axis=1, keepdims=True)
    noise = max(float(np.sqrt(np.nanmean((voxels - level) ** 2))), floor)
    return Background(np.broadcast_to(level, (len(image), 1))[:, :, None], noise)


def away_from(
    places: NDArray[np.float64], shape: tuple[int, ...], reach: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (Y, X) True where no bead is near, but for the farthest tenth at least.

    Parameters
    ----------
    places
        (N, 3) beads, in voxels.
    shape
        Of the image.
    reach
        (3,) how far a bead's light is reckoned with, in voxels.
    """
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    nearest = np.full(shape[1:], np.inf)
    for _, y, x in places:
        distance = np.hypot((rows - y) / reach[1], (columns - x) / reach[2])
        nearest = np.minimum(nearest, distance)
    return np.asarray(nearest >= min(1.0, float(np.quantile(nearest, 1.0 - _SMALLEST_SHARE))))
