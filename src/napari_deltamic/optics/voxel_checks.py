"""Argument checks of images and measured PSFs: errors name the argument and what to do."""

from __future__ import annotations

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
            f"{name}: {int(bad.sum())} voxels are NaN or infinite, the first at {first}; "
            "repair them first"
        )
    return real


def checked_spacing(spacing: ArrayLike) -> NDArray[np.float64]:
    """Return the spacing as (3,) float64, or raise ValueError."""
    array = np.asarray(spacing, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all() or (array <= 0).any():
        raise ValueError(
            f"spacing: expected three positive voxel sizes in um, (z, y, x), got {spacing}"
        )
    return array


def checked_positive(name: str, value: float) -> float:
    """Return a number, or raise ValueError if it is not positive and finite."""
    if not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name}: expected a positive number, got {value}")
    return float(value)
