"""Sums of rows that belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def grouped_sums(
    group: NDArray[np.int64], values: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Return (count, C) sums of those of the (N, C) values that are in each group.

    Parameters
    ----------
    group
        (N,) number of each row's group, 0 to below ``count``.
    values
        (N, C) rows.
    count
        How many groups there are; those without rows have zeros.
    """
    return np.stack([np.bincount(group, column, count) for column in values.T], axis=1)
