"""Free a measured PSF of noise, and of the size of its beads, by its own spectrum."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_deltamic.optics.ball import ball_transform

# The share of the window, from its border, over which it fades out.
_FADE = 0.25
# Of the largest frequencies along all three axes: no lens passes these, so what is there is noise.
# Not the very largest, because aligning the beads to a fraction of a voxel has dimmed them.
_BEYOND_LENS = (0.45, 0.85)
_PATCH = 3
# A patch of 27 frequencies of pure noise is brighter than this, over its mean, once in thousands.
_ABOVE_NOISE = 2.0
# The smallest share of a bead's transform that is divided by in full.
_BEAD_FLOOR = 0.2


def without_noise(
    voxels: NDArray[np.float64],
    spacing: NDArray[np.float64],
    bead_diameter: float | None = None,
) -> NDArray[np.float64]:
    """Return a PSF without the frequencies that only hold noise.

    Parameters
    ----------
    voxels
        (Z, Y, X) the PSF in the middle, free of background.
    spacing
        (3,) voxel size in um.
    bead_diameter
        In um: the bead's transform is divided out of what remains, as far as it is not too small.

    Notes
    -----
    A Wiener filter: each frequency is weighed by 1 - noise / power, with the power of its
    neighbourhood. Without it, the noise of a window of voxels lies above the threshold of the mesh
    Fourier transform's band at all frequencies, which would make every fit with the PSF slow.
    """
    window = _fading(voxels.shape)
    spectrum = np.fft.fftn(voxels * window)
    power = np.abs(spectrum) ** 2
    grids = [np.abs(np.fft.fftfreq(n)) * 2.0 for n in voxels.shape]
    z, y, x = np.meshgrid(*grids, indexing="ij")
    low, high = _BEYOND_LENS
    beyond = (np.minimum(np.minimum(z, y), x) > low) & (np.maximum(np.maximum(z, y), x) < high)
    # The median of an exponential distribution, which is that of noise's power, lies at log 2.
    noise = float(np.median(power[beyond]) / np.log(2.0)) if beyond.any() else 0.0
    calm = ndimage.uniform_filter(power, _PATCH, mode="wrap")
    weight = np.maximum(1.0 - _ABOVE_NOISE * noise / np.maximum(calm, 1e-300), 0.0)
    if bead_diameter is not None:
        axes = [np.fft.fftfreq(n, step) for n, step in zip(voxels.shape, spacing, strict=True)]
        frequencies = torch.from_numpy(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
        bead = ball_transform(bead_diameter, frequencies).numpy()
        weight *= bead * (1.0 + _BEAD_FLOOR**2) / (bead**2 + _BEAD_FLOOR**2)
    cleaned: NDArray[np.float64] = np.fft.ifftn(spectrum * weight).real * window
    return cleaned


def _fading(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (Z, Y, X) 1 in the middle, 0 at the border: an edge would ring in the spectrum."""
    result = np.ones(shape)
    for axis, n in enumerate(shape):
        distance = np.abs(np.arange(n) - (n - 1) / 2) / (0.5 * (n + 1))
        outer = np.clip((distance - (1.0 - _FADE)) / _FADE, 0.0, 1.0)
        fade = np.cos(0.5 * np.pi * outer) ** 2
        result *= fade.reshape([-1 if i == axis else 1 for i in range(3)])
    return result
