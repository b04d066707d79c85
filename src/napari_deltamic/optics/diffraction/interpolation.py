"""Cubic interpolation in a table with even steps from zero."""

from __future__ import annotations

import torch


def interpolated(table: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return a table between its entries, by the cubic through the four nearest.

    Parameters
    ----------
    table
        (..., N) of an even function of the position, at 0, 1, 2...; zero beyond its end.
    positions
        (P,) of 0 or more, in steps of the table.

    Returns
    -------
    torch.Tensor
        (..., P).
    """
    count = table.shape[-1]
    below = positions.floor()
    t = (positions - below).to(table)
    weights = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    padded = torch.nn.functional.pad(table, (0, 1))
    total = torch.zeros((), dtype=table.dtype)
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        index = (below.long() + offset).abs().clamp_max(count)
        total = total + padded[..., index] * weight
    return total
