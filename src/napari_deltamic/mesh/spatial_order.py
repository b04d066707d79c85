"""An order of points in which those near to each other in space are mostly near in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Bits of a cell's number along each axis; three of them fit into 63.
_BITS = 21


def spatial_order(points: NDArray[np.float64], cell: float) -> NDArray[np.int64]:
    """Return (N,) the points' numbers along Morton's curve.

    Parameters
    ----------
    points
        (N, 3) in um.
    cell
        Points this near in um may come in any order.
    """
    cells = ((points - points.min(axis=0)) / cell).astype(np.int64)
    cells = np.minimum(cells, 2**_BITS - 1)
    key = np.zeros(len(points), np.int64)
    for bit in range(int(cells.max(initial=0)).bit_length()):
        for axis in range(3):
            key |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(key, kind="stable")
