"""Where labels meet: what a segmentation of membranes should find."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def walls(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return (Z, Y, X) bool: the voxels on both sides of where labels change within a plane."""
    found = np.zeros(labels.shape, dtype=bool)
    for axis in (1, 2):
        after = np.moveaxis(found, axis, 0)
        change = np.moveaxis(np.diff(labels.astype(np.int64), axis=axis) != 0, axis, 0)
        after[1:] |= change
        after[:-1] |= change
    return found
