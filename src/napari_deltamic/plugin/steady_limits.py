"""Ends of a scale of colours that are round numbers and seldom change."""

from __future__ import annotations

import math

# A scale stays as long as the largest value fills at least this part of it.
_LEAST_FILLED = 0.3


def steady_limit(largest: float, before: float | None, least: float = 0.0) -> float:
    """Return the end of a scale from zero on: 1, 2, 3 or 5 times a power of ten.

    Parameters
    ----------
    largest
        The largest value to tell apart.
    before
        The end as it was; it is kept while the values still fill a good part of it.
    least
        The smallest end that makes sense.
    """
    if not math.isfinite(largest) or largest <= 0.0:
        return before or least or 1.0
    if before is not None and max(_LEAST_FILLED * before, 0.0) <= largest <= before:
        return before
    if largest <= least:
        return least
    power = 10.0 ** math.floor(math.log10(largest))
    return max(
        power * min(step for step in (1, 2, 3, 5, 10) if largest <= step * power * 1.0001), least
    )
