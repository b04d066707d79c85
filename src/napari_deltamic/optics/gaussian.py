"""The Gaussian PSF: isotropic, anisotropic, or with a full covariance."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.quantities import Quantity

# A blur that somebody looked up or guessed may be off by half.
_LOG_WIDTH = 0.5
_TILTS = ("yz", "xz", "xy")


class GaussianPSF(PSF):
    """A Gaussian blur with learnable widths.

    Parameters
    ----------
    sigma
        Standard deviation in um: one number, or three in (z, y, x) order.
    covariance
        (3, 3) covariance in um^2 in (z, y, x) order, for a blur whose axes are tilted; give this
        or ``sigma``, not both.

    Raises
    ------
    ValueError
        If not exactly one of the two is given, a width is not positive and finite, or the
        covariance is not symmetric and positive definite.

    Notes
    -----
    The covariance is held as its Cholesky factor with the logarithm of the diagonal, so that any
    step of an optimiser leaves it valid. Given ``sigma``, the blur keeps to the axes: only the
    diagonal is a parameter.
    """

    def __init__(
        self, sigma: float | ArrayLike | None = None, *, covariance: ArrayLike | None = None
    ) -> None:
        super().__init__()
        if (sigma is None) == (covariance is None):
            raise ValueError("sigma, covariance: give exactly one of the two")
        factor = (
            np.diag(_checked_sigma(sigma)) if covariance is None else _cholesky_factor(covariance)
        )
        self.log_diagonal = torch.nn.Parameter(torch.from_numpy(np.log(np.diag(factor))))
        below = torch.from_numpy(factor[np.tril_indices(3, -1)])
        if covariance is None:
            self.register_buffer("below_diagonal", below)
        else:
            self.below_diagonal = torch.nn.Parameter(below)

    @property
    def covariance(self) -> torch.Tensor:
        """(3, 3) covariance in um^2, differentiable in the parameters."""
        factor = torch.diag(self.log_diagonal.exp())
        rows, columns = torch.tril_indices(3, 3, -1)
        factor = factor.index_put((rows, columns), self.below_diagonal)
        return factor @ factor.T

    @property
    def sigma(self) -> torch.Tensor:
        """(3,) standard deviation along z, y and x in um, differentiable in the parameters."""
        return torch.diagonal(self.covariance).sqrt()

    def quantities(self) -> list[Quantity]:
        """Return the widths; of a tilted blur the entries of its covariance's Cholesky factor."""
        tilted = isinstance(self.below_diagonal, torch.nn.Parameter)
        name = "factor_{0}{0}" if tilted else "sigma_{0}"
        found = [
            Quantity(name.format(axis), "um", "log_diagonal", i, 1e-3, 1e3, _LOG_WIDTH, True)
            for i, axis in enumerate("zyx")
        ]
        if tilted:
            size = float(self.sigma.detach().mean())
            found += [
                Quantity(f"factor_{axes}", "um", "below_diagonal", i, -1e3, 1e3, _LOG_WIDTH * size)
                for i, axes in enumerate(_TILTS)
            ]
        return found

    def otf(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Return exp(-2 pi^2 k.C.k) with C the covariance; see :meth:`PSF.otf`."""
        covariance = self.covariance.to(frequencies)
        quadratic = torch.einsum("...i,ij,...j->...", frequencies, covariance, frequencies)
        return torch.exp(-2.0 * torch.pi**2 * quadratic)

    def extent(self) -> NDArray[np.float64]:
        """Return 3.6 standard deviations along each axis: 9.5e-4 of the light lies outside."""
        return np.asarray(3.6 * self.sigma.detach().cpu().numpy(), dtype=np.float64)

    def extra_repr(self) -> str:
        """Show the widths in um."""
        return "sigma=({:.4g}, {:.4g}, {:.4g}) um".format(*self.sigma.tolist())


def _checked_sigma(sigma: float | ArrayLike | None) -> NDArray[np.float64]:
    array = np.asarray(sigma, dtype=np.float64)
    if array.shape not in ((), (3,)) or not np.isfinite(array).all() or (array <= 0).any():
        raise ValueError(f"sigma: expected one or three positive widths in um, got {sigma}")
    return np.broadcast_to(array, (3,)).copy()


def _cholesky_factor(covariance: ArrayLike | None) -> NDArray[np.float64]:
    array = np.asarray(covariance, dtype=np.float64)
    if array.shape != (3, 3) or not np.isfinite(array).all() or not np.allclose(array, array.T):
        raise ValueError("covariance: expected a symmetric, finite (3, 3) matrix in um^2")
    try:
        factor = np.asarray(np.linalg.cholesky(array), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise ValueError("covariance: expected a positive definite matrix") from None
    return factor
