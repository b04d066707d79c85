"""A Gaussian fitted to one bead: where it is, to a fraction of a voxel, and how wide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from napari_deltamic.optics.width import SIGMA_OF_FWHM

# Of the widths at half maximum, the half-size of the window that is fitted.
_WINDOW = 1.0


class Spot(NamedTuple):
    """A Gaussian; lengths in voxels."""

    place: NDArray[np.float64]
    """(3,) its centre."""
    fwhm: NDArray[np.float64]
    """(3,) full widths at half maximum."""
    amplitude: float
    """Its height above the background."""


def fit_spot(
    image: NDArray[np.float64],
    place: NDArray[np.float64],
    fwhm: NDArray[np.float64],
    others: NDArray[np.float64],
) -> Spot | None:
    """Fit a Gaussian along the axes, and a constant, by least squares.

    Parameters
    ----------
    image
        (Z, Y, X).
    place
        (3,) where the bead is thought to be, in voxels.
    fwhm
        (3,) its full widths at half maximum in voxels, roughly.
    others
        (N, 3) further beads; voxels nearer to one of them do not count.

    Returns
    -------
    Spot or None
        None where no spot fits: it leaves the window, or is no maximum.
    """
    half = np.maximum(np.ceil(_WINDOW * fwhm), 2).astype(int)
    middle = np.round(place).astype(int)
    first = np.maximum(middle - half, 0)
    last = np.minimum(middle + half + 1, image.shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    window = image[z, y, x]
    points = np.indices(window.shape).reshape(3, -1).T + first
    counts = nearer(points, place, others, fwhm)
    points, values = points[counts], window.ravel()[counts]
    if len(values) < 16:
        return None
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return None
    start = np.concatenate([[1.0, 0.0], place, np.log(fwhm * SIGMA_OF_FWHM)])
    span = np.concatenate([[10.0, 2.0], half + 1.0, [np.log(4.0)] * 3])
    scaled = (values - low) / (high - low)
    found = least_squares(
        _residual,
        start,
        _jacobian,
        bounds=(start - span, start + span),
        args=(points, scaled),
        x_scale=span,
        max_nfev=60,
    )
    amplitude, centre, sigma = found.x[0], found.x[2:5], np.exp(found.x[5:])
    if amplitude <= 0 or (np.abs(centre - place) > half).any():
        return None
    return Spot(centre, sigma / SIGMA_OF_FWHM, float(amplitude * (high - low)))


def box_offsets(half: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return (N, 3) the voxels of a box from its middle one, in C order."""
    z, y, x = (np.arange(-n, n + 1) for n in half)
    return np.stack(np.meshgrid(z, y, x, indexing="ij"), axis=-1).reshape(-1, 3)


def nearer(
    points: NDArray[np.float64],
    place: NDArray[np.float64],
    others: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return (N,) which points are nearer to a place than to any other, lengths over a scale."""
    own = (((points - place) / scale) ** 2).sum(axis=-1)
    result = np.ones(own.shape, dtype=bool)
    for other in others:
        result &= own <= (((points - other) / scale) ** 2).sum(axis=-1)
    return result


def _residual(
    x: NDArray[np.float64], points: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    scaled = (points - x[2:5]) * np.exp(-x[5:])
    residual: NDArray[np.float64] = x[0] * np.exp(-0.5 * (scaled**2).sum(axis=1)) + x[1] - values
    return residual


def _jacobian(
    x: NDArray[np.float64], points: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    scaled = (points - x[2:5]) * np.exp(-x[5:])
    bell = np.exp(-0.5 * (scaled**2).sum(axis=1, keepdims=True))
    return np.hstack(
        [bell, np.ones_like(bell), x[0] * bell * scaled * np.exp(-x[5:]), x[0] * bell * scaled**2]
    )
