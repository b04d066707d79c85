"""What a rendering leaves unexplained of an image, in units of the image's noise."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.noise import estimate_noise
from napari_deltamic.imaging.stack import ImageStack

NoiseKind = Literal["gaussian", "poisson"]

# Of the brightest voxel: nothing is darker, or the noise that goes with it would vanish.
_LEAST_LIGHT = 1e-3
_LEAST_NOISE = 1e-6


def residual_in_noise(
    observed: NDArray[np.float32],
    rendering: NDArray[np.float32],
    noise: NoiseKind,
    level: float | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Return how many standard deviations of the noise lie between an image and its rendering.

    Parameters
    ----------
    observed, rendering
        (Z, Y, X) in the same units.
    noise
        "gaussian" for noise that is alike in all voxels, "poisson" for noise that grows with the
        square root of the brightness.
    level
        The noise, if it was measured before: its standard deviation or, of "poisson", that in a
        voxel of brightness 1.

    Returns
    -------
    residual
        (Z, Y, X) positive where the image is brighter than the rendering; where the rendering is
        right and the noise as assumed, it has a standard deviation of 1.
    level
        The noise, for the next rendering of the same image.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if observed.shape != rendering.shape:
        raise ValueError(
            f"rendering: expected the image's shape {observed.shape}, got {rendering.shape}"
        )
    brightest = float(np.abs(observed).max(initial=0.0)) or 1.0
    width = np.ones((), dtype=np.float32)
    if noise == "poisson":
        width = np.sqrt(np.maximum(rendering, np.float32(_LEAST_LIGHT * brightest)))
    if level is None:
        level = _measured(observed / width)
    residual = (observed - rendering) / (np.float32(level) * width)
    return np.asarray(residual, dtype=np.float32), level


def _measured(scaled: NDArray[np.float32]) -> float:
    least = _LEAST_NOISE * (float(np.abs(scaled).max(initial=0.0)) or 1.0)
    if min(scaled.shape[1:]) < 3:
        return max(float(np.std(scaled)), least)
    return max(estimate_noise(ImageStack(scaled, (1.0, 1.0, 1.0))), least)
