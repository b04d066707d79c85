"""Full widths at half maximum, of voxels and of PSF models."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.voxel_checks import checked_volume
from napari_deltamic.spacing import checked_spacing

SIGMA_OF_FWHM = 1.0 / float(np.sqrt(8.0 * np.log(2.0)))
"""Standard deviation of a Gaussian whose full width at half maximum is 1."""

_STEPS_A_VOXEL = 20
# Of a peak, a logarithm below this share is not worth fitting.
_FAINT = 0.05
_FIRST_STEPS = 24
_STEPS_A_WIDTH = 10
_WIDTHS_ACROSS = 3.0


def fwhm(voxels: ArrayLike, spacing: ArrayLike) -> NDArray[np.float64]:
    """Return full widths at half maximum along z, y and x, through the peak.

    Parameters
    ----------
    voxels
        (Z, Y, X) a spot, free of background.
    spacing
        (3,) voxel size in um.

    Returns
    -------
    ndarray
        (3,) in um.

    Raises
    ------
    ValueError
        If the spot is nowhere positive, or does not fall to half its peak within the voxels.

    Notes
    -----
    The peak's place and height are those of the Gaussian through the 27 voxels about the brightest
    one, so that no single noisy voxel says what a half is; between voxels a cubic spline is
    followed to the first crossing of the half.
    """
    volume = checked_volume("voxels", voxels)
    steps = checked_spacing(spacing)
    peak, height = _peak(volume)
    widths = _widths(volume, peak, 0.5 * height)
    if not np.isfinite(widths).all():
        axes = ", ".join(
            name for name, width in zip("zyx", widths, strict=True) if not np.isfinite(width)
        )
        raise ValueError(
            f"voxels: brighter than half the peak up to the border along {axes}; the volume must "
            "hold the whole spot, free of background"
        )
    return steps * widths


def fwhm_of(psf: PSF) -> NDArray[np.float64]:
    """Return (3,) full widths at half maximum of a PSF in um, along z, y and x through its peak."""
    reach = np.maximum(psf.extent(), 1e-6)
    # First on the whole of it, then where the peak is, as finely as the width asks for.
    widths, peak = _widths_at_steps(psf, reach / _FIRST_STEPS, reach)
    for _ in range(2):
        across = np.minimum(np.abs(peak) + _WIDTHS_ACROSS * widths, reach)
        widths, peak = _widths_at_steps(psf, widths / _STEPS_A_WIDTH, across)
    return widths


def _widths_at_steps(
    psf: PSF, steps: NDArray[np.float64], reach: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (3,) widths and (3,) place of the peak in um, seen at some spacing."""
    half = np.maximum(np.ceil(reach / steps).astype(int), 2)
    z, y, x = (2 * half + 1).tolist()
    light = psf.sampled((z, y, x), tuple(steps.tolist())).detach().cpu().double().numpy()
    peak, height = _peak(light)
    found = _widths(light, peak, 0.5 * height)
    return steps * np.where(np.isfinite(found), found, half), steps * (peak - half)


def _peak(volume: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return (3,) place in voxels and height of the peak."""
    # A little blur, so that one hot voxel is not taken for the peak.
    calm = ndimage.convolve1d(volume, [0.25, 0.5, 0.25], axis=0, mode="nearest")
    for axis in (1, 2):
        calm = ndimage.convolve1d(calm, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    index = np.array(np.unravel_index(int(np.argmax(calm)), volume.shape))
    top = float(volume[tuple(index)])
    if not calm.max() > 0:
        raise ValueError("voxels: nowhere positive; subtract less background")
    offsets = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    places = index + offsets
    inside = ((places >= 0) & (places < volume.shape)).all(axis=1)
    values = volume[tuple(places[inside].T)]
    top = max(top, float(values.max()))
    place, height = _gaussian_top(offsets[inside].astype(np.float64), values / top)
    return index + place, top * height


def _gaussian_top(
    offsets: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the place and height of the peak of the Gaussian, along the axes, through values."""
    kept = np.maximum(values, _FAINT)
    columns = np.hstack([np.ones((len(offsets), 1)), offsets, offsets**2])
    # The logarithm's noise grows as the value falls.
    coefficients = np.linalg.lstsq(columns * kept[:, None], np.log(kept) * kept, rcond=None)[0]
    slope, curvature = coefficients[1:4], np.minimum(coefficients[4:], -1e-6)
    place = np.clip(-0.5 * slope / curvature, -1.0, 1.0)
    height = float(np.exp(coefficients[0] + slope @ place + curvature @ place**2))
    return place, height


def _widths(volume: NDArray[np.float64], peak: NDArray[np.float64], level: float) -> list[float]:
    """Return three distances in voxels between the crossings of a level about a peak."""
    spline = ndimage.spline_filter(volume, order=3, mode="nearest")
    return [_width(spline, peak, level, axis) for axis in range(3)]


def _width(
    spline: NDArray[np.float64], peak: NDArray[np.float64], level: float, axis: int
) -> float:
    """Return the distance in voxels between the crossings of a level along one axis."""
    at, count = float(peak[axis]), spline.shape[axis]
    reach = [at, count - 1 - at]
    total = 0.0
    for side, length in zip((-1.0, 1.0), reach, strict=True):
        steps = int(np.ceil(max(length, 0.0) * _STEPS_A_VOXEL)) + 1
        along = np.linspace(0.0, max(length, 0.0), steps)
        points = np.repeat(peak[:, None], steps, axis=1)
        points[axis] += side * along
        profile = ndimage.map_coordinates(spline, points, order=3, mode="nearest", prefilter=False)
        below = np.flatnonzero(profile[1:] < level)
        if len(below) == 0:
            return float("inf")
        i = int(below[0])
        share = (profile[i] - level) / (profile[i] - profile[i + 1]) if profile[i] > level else 0.0
        total += along[i] + share * (along[i + 1] - along[i])
    return total
