"""The Fourier transform of a function known by its samples on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_CHUNK = 1 << 22


def transform_of_samples(
    samples: torch.Tensor,
    origin: Sequence[float],
    spacing: Sequence[float],
    frequencies: torch.Tensor,
) -> torch.Tensor:
    """Return the sum of samples(x) exp(-2 pi i k.x) over the grid's points x.

    Parameters
    ----------
    samples
        (Z, Y, X) real.
    origin, spacing
        (3,) position of the first sample and the step between samples, in um.
    frequencies
        (..., 3) k in cycles/um. A product grid, (nz, ny, nx, 3), is summed one axis at a time.

    Returns
    -------
    torch.Tensor
        (...) complex, in the samples' precision; differentiable in the samples.
    """
    frequencies = frequencies.to(samples)
    axes = product_axes(frequencies)
    if axes is not None:
        waves = [
            _waves(k, *of) for k, of in zip(axes, _axes(samples, origin, spacing), strict=True)
        ]
        along_x = samples.to(waves[2].dtype) @ waves[2].T
        along_y = torch.einsum("by,zyx->zbx", waves[1], along_x)
        found: torch.Tensor = torch.tensordot(waves[0], along_y, dims=1)
        return found
    points = frequencies.reshape(-1, 3)
    step = max(1, _CHUNK // (samples.shape[0] * samples.shape[1]))
    parts = []
    for some in points.split(step):
        z, y, x = (
            _waves(k, *of) for k, of in zip(some.T, _axes(samples, origin, spacing), strict=True)
        )
        along_x = torch.einsum("zyx,nx->zyn", samples.to(x.dtype), x)
        parts.append(torch.einsum("zyn,nz,ny->n", along_x, z, y))
    return torch.cat(parts).reshape(frequencies.shape[:-1])


def product_axes(
    frequencies: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Return the three axes of (nz, ny, nx, 3) points on a product grid; None if they are not."""
    if frequencies.ndim != 4:
        return None
    z, y, x = frequencies[:, 0, 0, 0], frequencies[0, :, 0, 1], frequencies[0, 0, :, 2]
    grid = z[:, None, None], y[None, :, None], x[None, None, :]
    if all(bool((frequencies[..., i] == grid[i]).all()) for i in range(3)):
        return z, y, x
    return None


def _axes(
    samples: torch.Tensor, origin: Sequence[float], spacing: Sequence[float]
) -> list[tuple[float, float, int]]:
    return list(zip(map(float, origin), map(float, spacing), samples.shape, strict=True))


def _waves(k: torch.Tensor, origin: float, spacing: float, count: int) -> torch.Tensor:
    """Return (K, N) exp(-2 pi i k x); the phases are made in float64."""
    x = origin + spacing * torch.arange(count, dtype=torch.float64, device=k.device)
    phase = -2.0 * torch.pi * k.double()[:, None] * x
    return torch.polar(torch.ones_like(phase), phase).to(k.dtype.to_complex())
