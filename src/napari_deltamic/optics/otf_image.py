"""Images of a point, on voxels anywhere, from samples of an OTF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.optics.psf import PSF

# An OTF dimmer than this is left out.
_DARK = 1e-4
# Frequencies from zero to the limit at which it is looked for.
_SEARCH = 17
_WIDER = 1.15


class Band(NamedTuple):
    """Frequencies that are enough for a PSF within some box; an x of 0 or more stands for two."""

    z: torch.Tensor
    y: torch.Tensor
    x: torch.Tensor

    def grid(self) -> torch.Tensor:
        """Return (nz, ny, nx, 3) all frequencies, in cycles/um."""
        return torch.stack(torch.meshgrid(self.z, self.y, self.x, indexing="ij"), dim=-1)


def band_of(
    psf: PSF, size: NDArray[np.float64], spacing: NDArray[np.float64], margin: float = _WIDER
) -> Band:
    """Return the frequencies that hold a PSF.

    Parameters
    ----------
    psf
        The PSF.
    size
        (3,) of the box in um that it is wanted in, from its centre on.
    spacing
        (3,) voxel size in um: no frequency beyond its half cycle is taken.
    margin
        Room for a PSF that changes, in its extent and its band.
    """
    # The frequencies' step makes the image periodic; no copy of it may reach into the box.
    period = 0.5 * size + np.maximum(margin * psf.extent(), 0.5 * size)
    limit = 0.5 / spacing
    coarse = [
        torch.linspace(
            -float(k) if axis < 2 else 0.0, float(k), _SEARCH if axis == 2 else 2 * _SEARCH - 1
        )
        for axis, k in enumerate(limit)
    ]
    with torch.no_grad():
        lit = psf.otf(torch.stack(torch.meshgrid(*coarse, indexing="ij"), dim=-1).double()).abs()
    axes = []
    for axis in range(3):
        bright = (lit.amax(dim=[i for i in range(3) if i != axis]) > _DARK).nonzero().ravel()
        step = float(limit[axis]) / (_SEARCH - 1)
        edge = min(margin * float(coarse[axis][bright].abs().max()) + step, float(limit[axis]))
        last = int(np.floor(edge * period[axis]))
        first = 0 if axis == 2 else -last
        axes.append(torch.arange(first, last + 1, dtype=torch.float64) / period[axis])
    return Band(*axes)


class PointImages:
    """Images of points on a box of voxels, by a sum over a band of frequencies.

    Parameters
    ----------
    band
        The frequencies.
    shape
        Of the box; the origin of positions is its voxel ``shape // 2``.
    spacing
        (3,) voxel size in um.
    """

    def __init__(self, band: Band, shape: Sequence[int], spacing: NDArray[np.float64]) -> None:
        self._axes = [
            (k, torch.from_numpy((np.arange(n) - n // 2) * step))
            for k, n, step in zip(band, shape, spacing, strict=True)
        ]
        periods = [1.0 / float(k[1] - k[0]) for k in band]
        self._cell = float(np.prod(spacing) / np.prod(periods))
        # What stands for its conjugate too counts twice.
        self._share = torch.where(band.x == 0, 1.0, 2.0).to(torch.float64)

    def image(self, otf: torch.Tensor, position: NDArray[np.float64]) -> torch.Tensor:
        """Return (Z, Y, X) a point's image, light per voxel."""
        return self._summed(otf, self._waves(position))

    def slopes(self, otf: torch.Tensor, position: NDArray[np.float64]) -> list[torch.Tensor]:
        """Return the three derivatives of the image by the position."""
        result = []
        for axis in range(3):
            waves = self._waves(position)
            waves[axis] = waves[axis] * (-2j * torch.pi * self._axes[axis][0])
            result.append(self._summed(otf, waves))
        return result

    def _waves(self, position: NDArray[np.float64]) -> list[torch.Tensor]:
        waves = []
        for (k, x), at in zip(self._axes, position, strict=True):
            phase = 2.0 * torch.pi * (x - float(at))[:, None] * k
            waves.append(torch.polar(torch.ones_like(phase), phase))
        return waves

    def _summed(self, otf: torch.Tensor, waves: list[torch.Tensor]) -> torch.Tensor:
        z, y, x = waves
        along_z = torch.tensordot(z, otf.to(torch.complex128), dims=1)
        along_y = torch.einsum("Yy,Zyx->ZYx", y, along_z)
        # Only the real part is wanted: half of a complex product. As one product of two matrices,
        # since torch multiplies parts of complex numbers where they lie, dozens of times slower.
        parts = torch.view_as_real(along_y.contiguous()).flatten(2)
        last = (x * self._share).T
        weights = torch.stack([last.real, -last.imag], dim=1).flatten(0, 1)
        return self._cell * (parts @ weights)
