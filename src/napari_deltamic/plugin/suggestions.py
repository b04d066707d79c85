"""What an image itself says about how to fit it: what the dye marks, and the noise; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Marks = Literal["membrane", "interior"]
Noise = Literal["gaussian", "poisson"]

_MOST_VOXELS = 4_000_000
_SMOOTHING = (0.7, 1.0, 1.0)
_WIDEST_MEMBRANE = 3
"""In pixels, half of it: an opening by this radius takes most of a membrane away."""
_HOLLOW, _SOLID = 1.05, 1.03
_THIN, _THICK = 0.8, 0.85
"""Area with holes filled over area, and brightness that an opening leaves. Generated stacks and
real ones of membranes have 1.08 to 2.0 and at most 0.76, those of interiors 1.00 and at least 0.91;
saturated walls (a plant's ovule) have 1.3 and 0.95, and so has cytosol round dark nuclei."""
_BRIGHTNESS_CLASSES = 24
_FEWEST = 50
_STRAIGHT = 0.98
_LEAST_BACKGROUND = 0.002
"""Of what is bright."""
_LARGEST_OFFSET = 0.05
"""Of the range of brightness. A camera's offset, of 100 counts mostly, is far more."""


@dataclass(frozen=True)
class Suggestion:
    """What an image says of itself.

    Attributes
    ----------
    marks
        What is bright; None where the image leaves a doubt.
    noise
        What the voxels' scatter follows.
    has_background
        Whether what is dark has some brightness, which a fit should solve for.
    doubt
        What is wrong with the voxels, as a sentence; "" if nothing seems to be.
    """

    marks: Marks | None
    noise: Noise
    has_background: bool = True
    doubt: str = ""


def suggest(data: Any) -> Suggestion:
    """Return what a (Z, Y, X) image says; of a large one only its middle is looked at."""
    image = np.asarray(data[middle(np.shape(data))])
    if not np.isfinite(image).all():
        return Suggestion(None, "gaussian", doubt="Some voxels are NaN or infinite.")
    if np.ptp(image) == 0:
        return Suggestion(None, "gaussian", doubt=f"Every voxel holds {image.flat[0]:g}.")
    return Suggestion(suggested_marks(image), suggested_noise(image), has_background(image))


def has_background(image: NDArray[Any]) -> bool:
    """Return whether the dimmer half of a (Z, Y, X) image has a brightness worth solving for."""
    values = np.asarray(image, dtype=np.float64)
    middle_value, bright = np.percentile(values, (50.0, 99.9))
    return abs(float(values[values <= middle_value].mean())) > _LEAST_BACKGROUND * float(bright)


def suggested_marks(image: NDArray[Any]) -> Marks | None:
    """Return what is bright in a (Z, Y, X) image: thin shells with a hollow inside, or bodies.

    Both whether planes have holes and whether what is bright is thin are asked; None if the answers
    do not go together, or if nothing is bright.
    """
    from scipy import ndimage
    from skimage.filters import threshold_otsu
    from skimage.morphology import disk

    values = np.asarray(image, dtype=np.float32)
    low, high = np.percentile(values, (1.0, 99.9))
    if not np.isfinite(high - low) or high <= low:
        return None
    smooth = ndimage.gaussian_filter(np.clip((values - low) / (high - low), 0.0, 1.0), _SMOOTHING)
    threshold = threshold_otsu(smooth)
    bright = smooth > threshold
    background = float(np.median(smooth[~bright]))
    opened = ndimage.grey_opening(smooth, footprint=disk(_WIDEST_MEMBRANE)[np.newaxis])
    left = float(np.maximum(opened[bright] - background, 0.0).sum())
    left /= float((smooth[bright] - background).sum())
    closed = ndimage.binary_closing(bright, np.ones((1, 3, 3)))
    filled = sum(int(ndimage.binary_fill_holes(plane).sum()) for plane in closed)
    hollow = filled / int(bright.sum())
    if hollow >= _HOLLOW and left <= _THIN:
        return "membrane"
    return "interior" if hollow <= _SOLID and left >= _THICK else None


def suggested_noise(image: NDArray[Any]) -> Noise:
    """Return "poisson" for whole counts whose variance is in proportion to their mean.

    A mere offset makes it "gaussian", because a fit with Poisson noise needs data without one.
    """
    counts = np.asarray(image, dtype=np.float64)
    if min(counts.shape[1:]) < 3 or (counts != np.rint(counts)).any() or counts.min() < 0:
        return "gaussian"
    # Products of second differences: smooth structure hardly reaches them, and of white noise they
    # have 36 times the variance.
    along_x = counts[:, :, :-2] - 2 * counts[:, :, 1:-1] + counts[:, :, 2:]
    response = along_x[:, :-2] - 2 * along_x[:, 1:-1] + along_x[:, 2:]
    means, variances = _by_brightness(_local_mean(counts), response**2 / 36.0)
    if len(means) < 3 or np.ptp(means) == 0 or np.ptp(variances) == 0:
        return "gaussian"
    slope, constant = np.polyfit(means, variances, 1, w=1.0 / np.maximum(variances, 1e-9))
    straight = float(np.corrcoef(means, variances)[0, 1])
    offset = -constant / slope if slope > 0 else np.inf
    proportional = abs(offset) <= _LARGEST_OFFSET * np.ptp(means)
    return "poisson" if straight >= _STRAIGHT and proportional else "gaussian"


def _by_brightness(
    brightness: NDArray[np.float64], squares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean brightness and mean square of classes of voxels of like brightness."""
    edges = np.unique(np.percentile(brightness, np.linspace(0.0, 99.5, _BRIGHTNESS_CLASSES + 1)))
    classes = np.digitize(brightness.ravel(), edges)
    sizes = np.bincount(classes, minlength=len(edges) + 1)
    # Beyond the last edge are outliers.
    kept = np.flatnonzero(sizes[: len(edges)] >= _FEWEST)
    sums = [np.bincount(classes, of.ravel(), len(edges) + 1) for of in (brightness, squares)]
    return sums[0][kept] / sizes[kept], sums[1][kept] / sizes[kept]


def _local_mean(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each 3 x 3 voxels in a plane."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(counts, (1, 3, 3))[:, 1:-1, 1:-1])


def middle(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the middle of an image, with as many voxels as can be looked at in a second or two."""
    excess = max(prod(shape) / _MOST_VOXELS, 1.0) ** (1 / 3)
    keep = [max(int(n / excess), min(n, 16)) for n in shape]
    return tuple(slice((n - k) // 2, (n - k) // 2 + k) for n, k in zip(shape, keep, strict=True))
