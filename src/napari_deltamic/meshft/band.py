"""Which Fourier modes are kept, and how fine a grid they need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Otf = Callable[[torch.Tensor], torch.Tensor]

# An OTF that is still above the threshold here is one that the voxels hardly sample.
_LARGEST_BAND = 4.0


def narrow_band(
    shape: tuple[int, int, int],
    spacing: NDArray[np.float64],
    otf: Otf | None,
    threshold: float,
) -> tuple[int, int, int]:
    """Return per axis the largest mode index where the OTF's magnitude exceeds the threshold.

    Parameters
    ----------
    shape, spacing
        The box: voxels and voxel size in um, (z, y, x).
    otf
        Maps (..., 3) frequencies in cycles/um to the transfer function, or None to keep every
        mode below Nyquist.
    threshold
        Magnitude below which a mode is dropped.

    Notes
    -----
    The OTF is looked at in the planes of kz with kx and with ky, since that of a widefield
    microscope vanishes along kz alone. It may reach up to four times the Nyquist frequency: what
    lies beyond Nyquist aliases in the image, and the image model folds it back.
    """
    nyquist = [(n - 1) // 2 for n in shape]
    if otf is None:
        return nyquist[0], nyquist[1], nyquist[2]
    axes = [
        torch.arange(int(_LARGEST_BAND * k) + 1, dtype=torch.float64) / (n * step)
        for k, n, step in zip(nyquist, shape, spacing, strict=True)
    ]
    zero = torch.zeros(1, dtype=torch.float64)
    upright, across = torch.zeros(len(axes[0]), dtype=torch.bool), []
    for lateral in (1, 2):
        plane = [axes[0], zero, zero]
        plane[lateral] = axes[lateral]
        frequencies = torch.stack(torch.meshgrid(*plane, indexing="ij"), dim=-1)
        with torch.no_grad():
            above = otf(frequencies).abs().reshape(len(axes[0]), -1) > threshold
        upright |= above.any(dim=1)
        across.append(above.any(dim=0))
    z, y, x = (int(seen.nonzero().max()) if seen.any() else 0 for seen in (upright, *across))
    return max(z, 1), max(y, 1), max(x, 1)


def mode_indices(
    band: tuple[int, int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the integer modes of the three axes: z and y in FFT order, x from 0."""
    kz, ky, kx = band
    along_z = np.concatenate([np.arange(kz + 1), np.arange(-kz, 0)])
    along_y = np.concatenate([np.arange(ky + 1), np.arange(-ky, 0)])
    return along_z, along_y, np.arange(kx + 1)


def fine_grid_size(band: int, upsampling: float, width: int) -> int:
    """Return an FFT-friendly number of nodes for modes -band..band."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(max(int(np.ceil(upsampling * (2 * band + 1))), width), real=True))
