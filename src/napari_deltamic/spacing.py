"""Voxel sizes as users give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_spacing(spacing: ArrayLike) -> NDArray[np.float64]:
    """Return the spacing as a (3,) float64 array, or raise ValueError."""
    array = np.asarray(spacing, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all() or (array <= 0).any():
        raise ValueError(
            f"spacing: expected three positive voxel sizes in um, (z, y, x), got {spacing}"
        )
    return array
