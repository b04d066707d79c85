"""Noise of a camera or detector: to add to a rendered image, and to measure in a stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.stack import ImageStack

_MAD_TO_SIGMA = 1.4826
_BACKGROUND_SMOOTHING = 1.5
# A product of two second differences along y and x; its weights have a root sum of squares of 6.
_SECOND_DIFFERENCES = np.outer([1.0, -2.0, 1.0], [1.0, -2.0, 1.0])


def gaussian_noise(image: ArrayLike, sigma: float, seed: int) -> NDArray[np.float32]:
    """Return the image with independent normal noise added to every voxel.

    Parameters
    ----------
    image
        Any shape.
    sigma
        Standard deviation of the noise, in the image's units; not negative.
    seed
        Seed of the random numbers: one seed, one noise.

    Raises
    ------
    ValueError
        If sigma is negative or not finite.
    """
    array = np.asarray(image, dtype=np.float32)
    if not np.isfinite(sigma) or sigma < 0:
        raise ValueError(f"sigma: expected a standard deviation of 0 or more, got {sigma}")
    noise = np.random.default_rng(seed).standard_normal(array.shape, dtype=np.float32)
    return np.asarray(array + np.float32(sigma) * noise, dtype=np.float32)


def poisson_noise(
    image: ArrayLike, peak: float, seed: int, background: float = 0.0
) -> NDArray[np.float32]:
    """Return what a photon-counting detector would record of the image, in photons.

    Parameters
    ----------
    image
        Any shape. Values below zero, such as the ringing of a band-limited rendering leaves, count
        as zero.
    peak
        Expected photons, above the background, in the brightest voxel.
    seed
        Seed of the random numbers: one seed, one noise.
    background
        Expected photons that every voxel gets besides.

    Returns
    -------
    ndarray
        Photon counts: whole numbers, as float32.

    Raises
    ------
    ValueError
        If the peak is not positive, the background negative, or the image has no positive value or
        one that is not finite.
    """
    array = np.asarray(image, dtype=np.float64)
    if not np.isfinite(peak) or peak <= 0:
        raise ValueError(f"peak: expected a positive number of photons, got {peak}")
    if not np.isfinite(background) or background < 0:
        raise ValueError(f"background: expected 0 photons or more, got {background}")
    brightest = array.max(initial=0.0)
    if not np.isfinite(array).all() or brightest <= 0:
        raise ValueError("image: expected finite values, and at least one above zero to scale by")
    expected = np.maximum(array, 0.0) * (peak / brightest) + background
    return np.asarray(np.random.default_rng(seed).poisson(expected), dtype=np.float32)


def estimate_noise(stack: ImageStack) -> float:
    """Estimate the standard deviation of the noise in a typical voxel.

    From products of second differences within the planes, which smooth structure hardly reaches,
    by the median, which the few voxels on edges do not move. Where noise grows with brightness, the
    estimate is that of the most common brightness: the background, mostly.

    Raises
    ------
    ValueError
        If the planes are smaller than 3 x 3 voxels, or the mask trusts no patch of that size.
    """
    data = stack.data
    if min(data.shape[1:]) < 3:
        raise ValueError(f"stack: planes of at least 3 x 3 voxels are needed, got {data.shape}")
    rows, columns = data.shape[1] - 2, data.shape[2] - 2
    response = np.zeros((data.shape[0], rows, columns))
    trusted = np.ones(response.shape, dtype=bool)
    for (row, column), weight in np.ndenumerate(_SECOND_DIFFERENCES):
        window = (slice(None), slice(row, row + rows), slice(column, column + columns))
        response += weight * data[window]
        if stack.mask is not None:
            trusted &= stack.mask[window]
    if not trusted.any():
        raise ValueError("stack: the mask trusts no patch of 3 x 3 voxels in a plane")
    size = np.abs(response[trusted])
    scale = _MAD_TO_SIGMA * float(np.median(size))
    if scale == 0.0:
        # Mostly empty voxels (few photons): the median sees none of the noise, the mean does.
        scale = float(np.sqrt(np.pi / 2) * size.mean())
    return scale / 6.0


def estimate_background(stack: ImageStack) -> float:
    """Estimate the constant that voxels outside all objects hold, in the stack's units.

    Of the image smoothed by a voxel and a half, the mean on the dark side of Otsu's threshold,
    without voxels far from the median there. Right where background fills a good part of that side.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    # Chosen by their smoothed brightness, dark voxels are hardly a choice of dark noise.
    if stack.mask is None:
        values = gaussian_filter(stack.data.astype(np.float64), _BACKGROUND_SMOOTHING).ravel()
    else:
        weight = gaussian_filter(stack.mask.astype(np.float64), _BACKGROUND_SMOOTHING)
        sums = gaussian_filter(stack.data.astype(np.float64), _BACKGROUND_SMOOTHING)
        values = sums[stack.mask] / weight[stack.mask]
    if np.ptp(values) <= 1e-9 * np.abs(values).max():
        return float(values.mean())
    dark = values[values <= threshold_otsu(values)]
    for _ in range(5):
        median = np.median(dark)
        reach = 3.0 * _MAD_TO_SIGMA * np.median(np.abs(dark - median))
        kept = dark[np.abs(dark - median) <= reach] if reach > 0 else dark
        if len(kept) == len(dark):
            break
        dark = kept
    return float(dark.mean())
