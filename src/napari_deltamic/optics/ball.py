"""The Fourier transform of a bead."""

from __future__ import annotations

import torch

# Below this the closed form cancels, and three terms of its series are exact to rounding.
_SMALL = 0.1


def ball_transform(diameter: float, frequencies: torch.Tensor) -> torch.Tensor:
    """Return the transform of an evenly bright ball, scaled to 1 at frequency zero.

    Parameters
    ----------
    diameter
        In um.
    frequencies
        (..., 3) in cycles/um.

    Returns
    -------
    torch.Tensor
        (...) 3 (sin x - x cos x) / x^3 with x = pi k times diameter.
    """
    x = torch.pi * diameter * torch.linalg.vector_norm(frequencies, dim=-1)
    safe = x.clamp_min(_SMALL)
    closed = 3.0 * (safe.sin() - safe * safe.cos()) / safe**3
    square = x.square()
    series = 1.0 - square / 10.0 * (1.0 - square / 28.0 * (1.0 - square / 54.0))
    return torch.where(x < _SMALL, series, closed)
