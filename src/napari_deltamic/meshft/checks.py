"""Checks of what a transform is made of: errors name the argument and what to do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FINEST = 1e-13
_COARSEST = 0.1


def checked_box(
    shape: tuple[int, int, int], spacing: ArrayLike
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return the shape as three ints and the spacing as a (3,) array."""
    sizes = np.asarray(shape)
    if sizes.shape != (3,) or not np.issubdtype(sizes.dtype, np.integer) or sizes.min() < 2:
        raise ValueError(f"shape: expected three whole numbers of at least 2, got {shape}")
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape != (3,) or not np.isfinite(steps).all() or steps.min() <= 0:
        raise ValueError(
            f"spacing: expected three positive voxel sizes in um, (z, y, x), got {spacing}"
        )
    return (int(sizes[0]), int(sizes[1]), int(sizes[2])), steps


def checked_band(band: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the band as three ints."""
    indices = np.asarray(band)
    if indices.shape != (3,) or not np.issubdtype(indices.dtype, np.integer) or indices.min() < 0:
        raise ValueError(f"band: expected three mode indices of at least 0, got {band}")
    return int(indices[0]), int(indices[1]), int(indices[2])


def checked_threshold(threshold: float) -> float:
    """Return the threshold if a transfer function, 1 at frequency zero, can exceed it."""
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: expected 0 <= threshold < 1, got {threshold}")
    return float(threshold)


def checked_tolerance(tolerance: float) -> float:
    """Return the tolerance if it is one that the quadrature knows."""
    if not _FINEST <= tolerance <= _COARSEST:
        raise ValueError(
            f"tolerance: expected a relative error from {_FINEST} to {_COARSEST}, got {tolerance}"
        )
    return float(tolerance)
