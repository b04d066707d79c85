"""Quadrature over the pupil's unit disc.

Both rules take sines of Gauss-Legendre nodes: then cosines of the rays, which have a root at the
rim, are smooth in the nodes, and the rules converge exponentially.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch


class Radii(NamedTuple):
    """A rule for functions of the radius alone."""

    rho: torch.Tensor
    """(N,) radii, 0 to 1."""
    weights: torch.Tensor
    """(N,) they sum to pi."""


class Rows(NamedTuple):
    """A rule of N rows, each with N nodes of its own."""

    v: torch.Tensor
    """(N,) y of the rows, -1 to 1."""
    u: torch.Tensor
    """(N, N) x of the nodes of each row."""
    weights: torch.Tensor
    """(N, N) they sum to pi."""


def gauss(count: int, lower: float, upper: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Gauss-Legendre nodes and weights on an interval, float64."""
    nodes, weights = _legendre(count)
    half = (upper - lower) / 2.0
    return lower + half * (nodes + 1.0), half * weights


def radii(count: int) -> Radii:
    """Return a radial rule over the unit disc."""
    angle, weights = gauss(count, 0.0, np.pi / 2)
    return Radii(angle.sin(), 2.0 * np.pi * angle.sin() * angle.cos() * weights)


def rows(count: int) -> Rows:
    """Return a rule over the unit disc, row by row."""
    angle, weights = gauss(count, -np.pi / 2, np.pi / 2)
    v, half = angle.sin(), angle.cos()
    of_row = half.square() * weights
    return Rows(v, half[:, None] * v, of_row[:, None] * (half * weights))


@lru_cache(maxsize=64)
def _legendre(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return torch.from_numpy(nodes), torch.from_numpy(weights)
