"""Where an image holds bright sheets, such as marked membranes, and how clearly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SCALES = (1.0, 1.4, 1.8, 2.5)
"""Tried, in units of the geometric mean of the voxel's sides."""
_STRONG_PERCENTILE = 97.0
_NEIGHBOURHOOD = 8.0
"""Reach of the local comparison, in units of the scale: about a cell's radius."""
_NOISE_WEIGHT = np.float32(2.0)

Volume = NDArray[np.float32]


def sheetness(image: Volume, spacing: NDArray[np.float64], sigma: float) -> tuple[Volume, Volume]:
    """Return how strongly the image bends down, and up, across its steepest direction.

    Minus the lowest and plus the highest eigenvalue of the Hessian at the given scale, times the
    scale's square; 0 where they are negative. A bright sheet gives a ridge of the first, whatever
    its direction; noise gives as much of both.

    Parameters
    ----------
    image
        (Z, Y, X).
    spacing
        (3,) voxel size in um.
    sigma
        Standard deviation of the Gaussian that the image is smoothed with, in um.

    Returns
    -------
    ndarray
        (Z, Y, X) float32, in the image's units: downwards, as on ridges.
    ndarray
        The same upwards, as in valleys.
    """
    smooth = _smoothed(image, spacing, sigma)
    diagonal = [_second_difference(smooth, axis, spacing[axis]) for axis in range(3)]
    slopes = [_central_difference(smooth, axis, spacing[axis]) for axis in (0, 1)]
    mixed = [
        _central_difference(slopes[0], 1, spacing[1]),
        _central_difference(slopes[0], 2, spacing[2]),
        _central_difference(slopes[1], 2, spacing[2]),
    ]
    lowest, highest = _extreme_eigenvalues(diagonal, mixed)
    scale = np.float32(sigma**2)
    return np.maximum(-lowest, 0.0) * scale, np.maximum(highest, 0.0) * scale


def sharpened(image: Volume, spacing: NDArray[np.float64], sigma: float, amount: float) -> Volume:
    """Return the smoothed image minus ``amount * sigma**2`` times its Laplacian.

    Undoes part of the blur, so that the ridges of curved and of uneven sheets lie where the sheets
    are. Lengths in um.
    """
    smooth = _smoothed(image, spacing, sigma)
    result = smooth.copy()
    for axis in range(3):
        result -= np.float32(amount * sigma**2) * _second_difference(smooth, axis, spacing[axis])
    return result


def membrane_scale(image: Volume, spacing: NDArray[np.float64]) -> float:
    """Return the scale in um, of a few near the voxel's size, at which sheets show best."""
    strengths = {}
    for multiple in _SCALES:
        sigma = multiple * float(np.cbrt(spacing.prod()))
        ridges, _ = sheetness(image, spacing, sigma)
        # A ridge as wide as the scale gives the most.
        strengths[sigma] = float(np.percentile(ridges, _STRONG_PERCENTILE)) / np.sqrt(sigma)
    return max(strengths, key=lambda sigma: strengths[sigma])


def relative_sheetness(image: Volume, spacing: NDArray[np.float64], sigma: float) -> Volume:
    """Return sheetness compared with the strong sheetness nearby and with the noise there.

    Parameters
    ----------
    image, spacing, sigma
        As for :func:`sheetness`.

    Returns
    -------
    ndarray
        (Z, Y, X) float32 in [0, 1): 0.5 on the crest of a sheet as strong as those around it; on
        average less than 0.3 on the crests of noise.
    """
    ridges, valleys = sheetness(image, spacing, sigma)
    reach = _NEIGHBOURHOOD * sigma / spacing
    # Noise has valleys as strong as its ridges; those beside a sheet are half as strong as it.
    strong, deep = _local_strength(ridges, reach), _local_strength(valleys, reach)
    level = np.maximum(strong, _NOISE_WEIGHT * deep) + ridges
    return np.asarray(np.divide(ridges, level, out=np.zeros_like(level), where=level > 0))


def _local_strength(response: Volume, reach: NDArray[np.float64]) -> Volume:
    """Return mean square over mean around every voxel; ``reach`` in voxels."""
    from scipy import ndimage

    mean = ndimage.gaussian_filter(response, reach, mode="nearest")
    square = ndimage.gaussian_filter(response * response, reach, mode="nearest")
    return np.asarray(np.divide(square, mean, out=np.zeros_like(square), where=mean > 0))


def _smoothed(image: Volume, spacing: NDArray[np.float64], sigma: float) -> Volume:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(image, sigma / spacing, mode="nearest"))


def _central_difference(image: Volume, axis: int, step: float) -> Volume:
    from scipy import ndimage

    weights = np.array([-0.5, 0.0, 0.5]) / step
    return np.asarray(ndimage.correlate1d(image, weights, axis=axis, mode="nearest"))


def _second_difference(image: Volume, axis: int, step: float) -> Volume:
    from scipy import ndimage

    weights = np.array([1.0, -2.0, 1.0]) / step**2
    bent = ndimage.correlate1d(image, weights, axis=axis, mode="nearest")
    if image.shape[axis] > 2:
        # Beyond the border nothing is known: bend there as one voxel further in.
        along = np.moveaxis(bent, axis, 0)
        along[0], along[-1] = along[1], along[-2]
    return np.asarray(bent)


def _extreme_eigenvalues(diagonal: list[Volume], mixed: list[Volume]) -> tuple[Volume, Volume]:
    """Return the lowest and highest eigenvalue of symmetric 3 x 3 matrices, in closed form."""
    mean = (diagonal[0] + diagonal[1] + diagonal[2]) / np.float32(3.0)
    a, b, c = (entry - mean for entry in diagonal)
    d, e, f = mixed
    square = (a * a + b * b + c * c + 2.0 * (d * d + e * e + f * f)) / 6.0
    spread = np.sqrt(square)
    determinant = a * (b * c - f * f) - d * (d * c - e * f) + e * (d * f - b * e)
    cube = 2.0 * square * spread
    cosine = np.divide(determinant, cube, out=np.ones_like(cube), where=cube > 0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0)) / np.float32(3.0)
    lowest = mean + 2.0 * spread * np.cos(angle + np.float32(2.0 * np.pi / 3.0))
    return lowest, mean + 2.0 * spread * np.cos(angle)
