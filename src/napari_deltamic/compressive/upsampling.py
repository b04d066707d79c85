"""From T numbers a camera pixel to d x d pixels of an image: the first step of a reconstruction."""

from __future__ import annotations

import torch

# What images look like before anything is measured: neighbours alike, the mean unknown.
_LIKENESS_LENGTH = 8.0
_MEAN_VARIANCE = 10.0
_NOISE_VARIANCE = 1e-3


class LocalityUpsampling(torch.nn.Module):
    """For each camera pixel a linear map of its own, from its T numbers to its d x d pixels.

    The map is the best linear estimate from the light that fell there
    (:func:`linear_estimate`), which follows patterns as they are learned, plus what training adds.

    Parameters
    ----------
    count, rows, columns, binning
        T, Y, X and d.
    """

    def __init__(self, count: int, rows: int, columns: int, binning: int) -> None:
        super().__init__()
        self.binning = binning
        self.learned = torch.nn.Parameter(torch.zeros(count, rows, columns))

    def forward(self, frames: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
        """Return (N, 1, Y, X) of (N, T, Y / d, X / d) frames, in (T, Y, X) light."""
        weights = linear_estimate(light, self.binning) + self.learned
        d = self.binning
        spread = frames.repeat_interleave(d, -1).repeat_interleave(d, -2)
        return (spread * weights).sum(1, keepdim=True)


class TransposedUpsampling(torch.nn.Module):
    """A transposed convolution: the same learned map for all camera pixels.

    Parameters
    ----------
    count, binning
        T and d.
    """

    def __init__(self, count: int, binning: int) -> None:
        super().__init__()
        self.convolution = torch.nn.ConvTranspose2d(count, 1, binning, binning)
        torch.nn.init.constant_(self.convolution.weight, 1.0 / count)

    def forward(self, frames: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
        """Return (N, 1, Y, X) of (N, T, Y / d, X / d) frames; the light does not matter."""
        image: torch.Tensor = self.convolution(frames)
        return image


def bicubic(frames: torch.Tensor, binning: int) -> torch.Tensor:
    """Return (N, 1, Y, X), the mean of (N, T, Y / d, X / d) frames interpolated; no training."""
    mean = frames.mean(1, keepdim=True)
    return torch.nn.functional.interpolate(mean, scale_factor=binning, mode="bicubic")


def linear_estimate(light: torch.Tensor, binning: int) -> torch.Tensor:
    """Return (T, Y, X) weights of the best linear estimate of each camera pixel's inside.

    C H^T (H C H^T + s)^-1 for each camera pixel (Wiener's estimate, or generalised Tikhonov
    regularisation), where H is the (T, d^2) light in it and C what images are taken to be like:
    correlation exp(-(|dy| + |dx|) / 8 voxels) about an unknown mean. Differentiable in the light.

    Parameters
    ----------
    light
        (T, Y, X).
    binning
        d.
    """
    d = binning
    count, rows, columns = light.shape
    blocks = light.reshape(count, rows // d, d, columns // d, d).permute(1, 3, 0, 2, 4)
    blocks = blocks.flatten(0, 1) / d**2
    place = torch.arange(d, dtype=light.dtype, device=light.device)
    likeness = torch.exp(-(place[:, None] - place).abs() / _LIKENESS_LENGTH)
    # Along y and x one after the other: as a matrix of d^2 x d^2 it would not fit.
    spread = likeness @ blocks @ likeness
    spread = spread + _MEAN_VARIANCE * blocks.sum((-2, -1), keepdim=True)
    seen = torch.einsum("nsyx,ntyx->nst", spread, blocks)
    size = seen.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    seen = seen + _NOISE_VARIANCE * size * torch.eye(count, dtype=light.dtype, device=light.device)
    weights: torch.Tensor = torch.linalg.solve(seen, spread.flatten(2)).reshape(-1, count, d, d)
    weights = weights.unflatten(0, (rows // d, columns // d)).permute(2, 0, 3, 1, 4)
    return weights.reshape(count, rows, columns)
