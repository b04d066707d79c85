"""Least squares with bounds and prior widths, for a handful of unknowns (Levenberg-Marquardt).

SciPy's wants the Jacobian whole, a row for every voxel of every bead; a caller here sums its square
bead by bead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FIRST_DAMPING = 1e-3
_LARGEST_DAMPING = 1e8
# A step that lowers the cost by less than this share of it is the last.
_ENOUGH = 1e-5

Misfit = Callable[[NDArray[np.float64]], float]
Normal = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64], NDArray[np.float64]]]


class Fitted(NamedTuple):
    """Where a fit ended."""

    x: NDArray[np.float64]
    """(P,) the unknowns."""
    cost: float
    """What was minimised."""
    curvature: NDArray[np.float64]
    """(P, P) half its second derivative there, as Gauss and Newton take it."""
    steps: int
    """Steps that lowered the cost."""
    converged: bool
    """Whether it stopped because a step lowered the cost by hardly anything."""


def minimised(
    cost: Misfit,
    linearised: Normal,
    start: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    most_steps: int,
) -> Fitted:
    """Minimise a sum of squares within bounds.

    Parameters
    ----------
    cost
        The sum of squares at some unknowns.
    linearised
        The same, with half its gradient (P,) and the Jacobian's square (P, P).
    start, lower, upper
        (P,) where to begin, and bounds.
    most_steps
        After which it stops in any case.
    """
    x = np.clip(start, lower, upper)
    value, gradient, curvature = linearised(x)
    damping, steps, converged = _FIRST_DAMPING, 0, False
    while steps < most_steps and not converged:
        step = _step(x, gradient, curvature, damping, lower, upper)
        trial = cost(x + step)
        expected = -float(2.0 * gradient @ step + step @ curvature @ step)
        if trial < value:
            converged = value - trial < _ENOUGH * value
            x, steps = x + step, steps + 1
            good = value - trial > 0.25 * expected
            damping = damping / 5.0 if good else damping * 2.0
            value, gradient, curvature = linearised(x)
            continue
        damping *= 6.0
        converged = expected < _ENOUGH * value or damping > _LARGEST_DAMPING
    return Fitted(x, value, curvature, steps, converged)


def _step(
    x: NDArray[np.float64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    damping: float,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return a damped step; unknowns that it would push over their bounds stop there."""
    damped = curvature + damping * np.diag(np.maximum(np.diag(curvature), 1e-12))
    step = np.zeros_like(x)
    free = np.ones(len(x), dtype=bool)
    for _ in range(len(x) + 1):
        if not free.any():
            break
        # What the stopped ones moved by acts on the others.
        pull = gradient[free] + damped[np.ix_(free, ~free)] @ step[~free]
        step[free] = -np.linalg.solve(damped[np.ix_(free, free)], pull)
        over = free & ((x + step < lower) | (x + step > upper))
        if not over.any():
            break
        step[over] = np.clip(x + step, lower, upper)[over] - x[over]
        free &= ~over
    return step
