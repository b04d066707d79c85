"""Zernike polynomials on the unit disc, in Noll's order (Noll, J. Opt. Soc. Am. 66, 207, 1976)."""

from __future__ import annotations

from math import factorial

import torch

NAMES = {
    2: "tip",
    3: "tilt",
    4: "defocus",
    5: "oblique astigmatism",
    6: "vertical astigmatism",
    7: "vertical coma",
    8: "horizontal coma",
    9: "vertical trefoil",
    10: "oblique trefoil",
    11: "spherical",
    12: "vertical secondary astigmatism",
    13: "oblique secondary astigmatism",
    22: "secondary spherical",
}
"""What microscopists call the modes, by Noll index."""


def degrees_of(noll: int) -> tuple[int, int]:
    """Return (n, m) of a Noll index: the radial degree and the azimuthal one, < 0 for sines."""
    if noll < 1:
        raise ValueError(f"noll: expected an index of 1 or more, got {noll}")
    n = int((2 * noll - 1) ** 0.5 + 0.5) - 1
    place = noll - n * (n + 1) // 2
    m = 2 * (place // 2) if n % 2 == 0 else 2 * ((place - 1) // 2) + 1
    return n, m if noll % 2 == 0 else -m


def zernike(noll: int, v: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Return a Zernike polynomial, whose mean square over the disc is 1.

    Parameters
    ----------
    noll
        Its index from 1.
    v, u
        Coordinates along y and x, any shape, in the unit disc.
    """
    n, m = degrees_of(noll)
    square = u.square() + v.square()
    # (u + iv)^|m| = rho^|m| (cos m phi + i sin m phi): polynomials, smooth at the centre.
    real, imaginary = torch.ones_like(u), torch.zeros_like(u)
    for _ in range(abs(m)):
        real, imaginary = real * u - imaginary * v, real * v + imaginary * u
    radial = torch.zeros_like(u)
    for k in range((n - abs(m)) // 2 + 1):
        coefficient = (-1) ** k * factorial(n - k)
        coefficient //= (
            factorial(k) * factorial((n + abs(m)) // 2 - k) * factorial((n - abs(m)) // 2 - k)
        )
        radial = radial + coefficient * square ** ((n - abs(m)) // 2 - k)
    norm = (n + 1) ** 0.5 * (1.0 if m == 0 else 2.0**0.5)
    found: torch.Tensor = norm * radial * (imaginary if m < 0 else real)
    return found
