"""The spreading kernel: Kaiser-Bessel, evaluated as piecewise polynomials.

A point between grid nodes is spread over ``width`` nodes along each axis. With X the point's
position in grid units, the first node is ceil(X - width / 2), and the weight of node l is a
polynomial in s in [-1, 1), where (s + 1) / 2 is how far the first node lies beyond X - width / 2.
The transform that the grid's modes are divided by is that of these very polynomials, so their
small misfit to the Kaiser-Bessel function costs nothing.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev, legendre
from numpy.typing import NDArray

# The grids that a kernel may be used on; the error is estimated for a band of this many modes.
_UPSAMPLINGS = (1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2, 2.5)
_TYPICAL_BAND = 32
_WIDTHS = tuple(range(4, 17))
# Beyond, a finer grid costs more than the nodes that a narrower kernel saves.
_MODERATE = 1.6
# Measured: the rounding of sums and FFTs against one rounding a node.
_ROUNDINGS = 3.0


class SpreadingKernel(NamedTuple):
    """A kernel of a given width for a grid finer than the band by a given factor."""

    width: int
    upsampling: float
    coefficients: NDArray[np.float64]
    """(degree + 1, width) polynomial of each node, ascending powers of s."""

    def transform(self, modes: NDArray[np.int64], size: int) -> NDArray[np.float64]:
        """Return the kernel's Fourier transform at ``modes / size`` cycles a grid step."""
        nodes, weights = legendre.leggauss(32)
        powers = nodes[:, None] ** np.arange(len(self.coefficients))
        values = powers @ self.coefficients
        # Node l lies at l + (s + 1) / 2 - width / 2 from the point; dX = ds / 2.
        distance = np.arange(self.width) + (nodes[:, None] + 1) / 2 - self.width / 2
        phase = np.cos(2 * np.pi * distance[None] * (modes / size)[:, None, None])
        transform: NDArray[np.float64] = np.einsum("mql,ql,q->m", phase, values, weights / 2)
        return transform


@cache
def narrowest_kernel(
    tolerance: float, rounding: float, widths: tuple[int, ...] = _WIDTHS
) -> SpreadingKernel:
    """Return the narrowest kernel that reaches a tolerance without a grid much finer than the band.

    If none does, the narrowest that reaches it on any grid.

    Parameters
    ----------
    tolerance
        Relative L2 error of a transform in three dimensions.
    rounding
        Relative rounding error of the precision, half of numpy's ``eps``.
    widths
        What to choose from, ascending.

    Raises
    ------
    ValueError
        If no kernel reaches the tolerance in this precision.
    """
    errors = []
    for finest in (_MODERATE, max(_UPSAMPLINGS)):
        for width in widths:
            for upsampling in (one for one in _UPSAMPLINGS if one <= finest):
                kernel = spreading_kernel(width, upsampling)
                errors.append(relative_error(kernel, rounding))
                if errors[-1] <= tolerance:
                    return kernel
    raise _beyond_precision(min(errors))


def _beyond_precision(error: float) -> ValueError:
    return ValueError(
        f"tolerance: this precision reaches {2 * error:.0e} at best; ask for no less, or pass the "
        "vertices as float64"
    )


def relative_error(kernel: SpreadingKernel, rounding: float) -> float:
    """Estimate the relative L2 error of a transform in three dimensions.

    Two parts: modes that alias into the band, and rounding on the grid, which division by the
    kernel's transform amplifies most in the band's corners.
    """
    size = round(kernel.upsampling * (2 * _TYPICAL_BAND + 1))
    modes = np.arange(_TYPICAL_BAND + 1)
    kept = kernel.transform(modes, size)
    aliases = sum(kernel.transform(modes + turn * size, size) ** 2 for turn in (-2, -1, 1, 2))
    aliasing = np.sqrt(3.0 * np.mean(aliases / kept**2))
    amplification = np.sqrt(2.0 * np.sum((kept[0] / kept) ** 2) / size)
    return float(aliasing + _ROUNDINGS * rounding * amplification**3)


def spreading_kernel(width: int, upsampling: float) -> SpreadingKernel:
    """Return the Kaiser-Bessel kernel of ``width`` nodes that suits a grid's ``upsampling``."""
    # The largest shape parameter whose transform stays positive over the band.
    shape = np.pi * width * (1.0 - 0.5 / upsampling)
    # The misfit is then below what aliases anyway.
    degree = width - 1
    s = chebyshev.chebpts1(degree + 1)
    distance = np.arange(width) + (s[:, None] + 1) / 2 - width / 2
    values = np.i0(shape * np.sqrt(np.maximum(0.0, 1.0 - (2 * distance / width) ** 2)))
    fitted = chebyshev.chebfit(s, values / np.i0(shape), degree)
    # Row n holds the powers of T_n; cheb2poly on the columns would drop zeros at their ends.
    to_powers = np.zeros((degree + 1, degree + 1))
    for n, unit in enumerate(np.eye(degree + 1)):
        to_powers[n, : n + 1] = chebyshev.cheb2poly(unit[: n + 1])
    powers = to_powers.T @ fitted
    return SpreadingKernel(width, upsampling, powers)
