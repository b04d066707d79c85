"""Argument checks of images and measured PSFs: errors name the argument and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_volume(name: str, volume: ArrayLike) -> NDArray[np.float64]:
    """Return a (Z, Y, X) volume as float64, or raise ValueError."""
    array = np.asarray(volume)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(
            f"{name}: expected a volume (Z, Y, X), got shape {array.shape}; choose one frame and "
            "one channel"
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    real = array.astype(np.float64)
    bad = ~np.isfinite(real)
    if bad.any():
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        raise ValueError(
            f"{name}: NaN or infinite in {int(bad.sum())} of {bad.size} voxels, the first at "
            f"{first}; repair them first"
        )
    return real


def checked_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (Z, Y, X) numbers of voxels, or raise ValueError."""
    sizes = np.asarray(shape)
    if sizes.shape != (3,) or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise ValueError(f"shape: expected three numbers of voxels, (z, y, x), got {shape}")
    z, y, x = (int(size) for size in sizes)
    return z, y, x


def checked_positive(name: str, value: float) -> float:
    """Return a number, or raise ValueError if it is not positive and finite."""
    if not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name}: expected a positive number, got {value}")
    return float(value)
