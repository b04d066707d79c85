"""The interface that every PSF model shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.optics.quantities import Quantity
from napari_deltamic.optics.voxel_checks import checked_shape
from napari_deltamic.spacing import checked_spacing


class PSF(torch.nn.Module, ABC):
    """A point spread function, given by its transform.

    A model holds its physical parameters as torch parameters, in um, and is differentiable in
    them. The PSF integrates to 1, so the OTF is 1 at frequency zero.
    """

    def forward(self, method: str, *arguments: Any) -> Any:
        """Call a method by name; torch replaces parameters only on this way in."""
        return getattr(self, method)(*arguments)

    def quantities(self) -> list[Quantity]:
        """Return the model's continuous parameters, as people name them."""
        return []

    @abstractmethod
    def otf(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Return the optical transfer function.

        Parameters
        ----------
        frequencies
            (..., 3) in cycles/um, (z, y, x) order.

        Returns
        -------
        torch.Tensor
            (...) real or complex, in the precision of ``frequencies``.
        """

    @abstractmethod
    def extent(self) -> NDArray[np.float64]:
        """Return (3,) half-widths in um of a box that holds at least 0.999 of the light."""

    def sampled(
        self, shape: tuple[int, int, int], spacing: tuple[float, float, float]
    ) -> torch.Tensor:
        """Return the PSF on voxels, (Z, Y, X), light per voxel, centred on voxel ``shape // 2``.

        Sampled from the OTF at the frequencies of this very grid, so the PSF is taken as periodic
        in it: choose a shape that holds the blur.
        """
        axes = [
            torch.from_numpy(np.fft.fftfreq(n, step))
            for n, step in zip(checked_shape(shape), checked_spacing(spacing).tolist(), strict=True)
        ]
        frequencies = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        voxels = torch.fft.ifftn(self.otf(frequencies)).real
        shifted: torch.Tensor = torch.fft.fftshift(voxels)
        return shifted
