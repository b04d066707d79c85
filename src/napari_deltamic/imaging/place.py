"""Whether things lie in a stack, and where they are, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def check_meets(
    vertices: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    what: str,
    where: str = "the stack",
) -> None:
    """Raise ValueError if the box around some vertices does not meet a stack.

    Parameters
    ----------
    vertices
        (V, 3) in um, V at least 1.
    lower, upper
        (3,) corners of the stack's volume in um.
    what, where
        What the message calls the two.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if (high < lower).any() or (low > upper).any():
        raise ValueError(
            f"{what} lies outside {where}: it spans {spelled(low)} to {spelled(high)} um "
            f"(z, y, x), {where} {spelled(lower)} to {spelled(upper)}; "
            "check the spacing, the origin and the units"
        )


def spelled(position: NDArray[np.float64]) -> str:
    """Return a position as a person would write it."""
    return f"({', '.join(f'{value:.4g}' for value in position)})"
