"""What data and rendering of a stage are both blurred by, one exactly as the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

# Half-width of a kernel in standard deviations.
_TRUNCATE = 4.0


class StageBlur(NamedTuple):
    """A Gaussian blur of the band's modes, or of voxels.

    On voxels it is a sum over neighbours, which for narrow kernels differs much from the integral.
    """

    sigma: float
    """Standard deviation in um."""
    spacing: NDArray[np.float64] | None = None
    """(3,) of the voxels that it is a sum over; None blurs the modes themselves."""

    @property
    def kernels(self) -> list[NDArray[np.float64]]:
        """Weights of the neighbours along z, y and x, the voxel itself in the middle; sum 1."""
        assert self.spacing is not None
        return [_kernel(self.sigma / step) for step in self.spacing.tolist()]

    def transfer(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Return (...) the real transfer function at (..., 3) frequencies in cycles/um."""
        if self.spacing is None:
            return torch.exp(-2.0 * torch.pi**2 * self.sigma**2 * frequencies.square().sum(dim=-1))
        result = torch.ones_like(frequencies[..., 0])
        for axis, (kernel, step) in enumerate(zip(self.kernels, self.spacing, strict=True)):
            # The transform of a symmetric row of weights.
            middle = len(kernel) // 2
            angle = 2.0 * torch.pi * float(step) * frequencies[..., axis]
            along = torch.full_like(angle, float(kernel[middle]))
            for distance, weight in enumerate(kernel[middle + 1 :].tolist(), start=1):
                along += 2.0 * weight * torch.cos(distance * angle)
            result *= along
        return result

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return (Z, Y, X) voxels blurred; beyond them there is nothing."""
        from scipy.ndimage import correlate1d

        for axis, kernel in enumerate(self.kernels):
            if len(kernel) > 1:
                image = correlate1d(image, kernel, axis, mode="constant")
        return image


def _kernel(sigma: float) -> NDArray[np.float64]:
    reach = int(_TRUNCATE * sigma + 0.5)
    if reach == 0:
        return np.ones(1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())
