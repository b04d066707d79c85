"""How the masks' slope and the learning rate change in the course of a training."""

from __future__ import annotations

import math

SOFT_PART = 0.3
_SLOPES = (4.0, 20.0)
_WARMING_STEPS = 20


def slope_at(progress: float) -> float | None:
    """Return the masks' slope, from 4 to 20 in the first third; None, binary masks, after that.

    Parameters
    ----------
    progress
        Part of the training that is done, 0 to 1.
    """
    if progress >= SOFT_PART:
        return None
    first, last = _SLOPES
    return float(first * (last / first) ** (progress / SOFT_PART))


def rate_at(step: int, steps: int) -> float:
    """Return the factor of the learning rate: a short rise, then a cosine's fall to zero."""
    fall = 0.5 * (1.0 + math.cos(math.pi * step / steps))
    return fall * min(1.0, (step + 1) / _WARMING_STEPS)
