"""How far two PSFs differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.sampling import nyquist_spacing

# A PSF that needs more voxels is compared about its middle, where nearly all its light is.
_MOST_VOXELS = (96, 128, 128)
# Of the largest voxels that will do: a PSF without a limit passes something beyond.
_FINER = 0.8
_ROUNDS = 12


class Comparison(NamedTuple):
    """Two PSFs on the same voxels, the second moved to lie on the first."""

    spacing: NDArray[np.float64]
    """(3,) voxel size in um."""
    first: NDArray[np.float64]
    """(Z, Y, X) sums to 1, centred on voxel ``shape // 2``."""
    second: NDArray[np.float64]
    """(Z, Y, X) the same of the second, moved."""
    shift: NDArray[np.float64]
    """(3,) in um: where the second lies beside the first."""
    relative_l2: float
    """Root of the energy of the difference over that of the first."""
    shape_l2: float
    """The same, once the second has been made brighter or fainter to come nearest."""
    otf_difference: float
    """Largest absolute difference of the two OTFs."""


def compare_psfs(first: PSF, second: PSF) -> Comparison:
    """Compare two PSFs, wherever each says its centre is.

    Both are sampled on voxels that neither aliases on, as far as the wider one reaches or as 128
    voxels do, and scaled to sum to 1 there.

    Parameters
    ----------
    first
        What the difference is relative to.
    second
        What it is compared with.
    """
    spacing = _FINER * np.minimum(nyquist_spacing(first), nyquist_spacing(second))
    reach = np.maximum(first.extent(), second.extent())
    wanted = 2 * np.ceil(reach / spacing).astype(int) + 2
    z, y, x = np.clip(wanted, 4, _MOST_VOXELS).tolist()
    with torch.no_grad():
        one, other = (
            psf.sampled((z, y, x), tuple(spacing.tolist())).detach().cpu().double().numpy()
            for psf in (first, second)
        )
    spectra = np.fft.fftn(one), np.fft.fftn(other)
    axes = [np.fft.fftfreq(n, step) for n, step in zip(one.shape, spacing, strict=True)]
    k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    shift = _shift(spectra[0] * spectra[1].conj(), k, spacing)
    moved = spectra[1] * np.exp(2j * np.pi * (k @ shift))
    # The highest frequency of an even grid has no sign, so a shift leaves its real part alone.
    aligned = np.fft.ifftn(moved).real
    scale = (one * aligned).sum() / (aligned**2).sum()
    whole, shape = (
        float(np.linalg.norm(one - factor * aligned) / np.linalg.norm(one))
        for factor in (1.0, scale)
    )
    otf_difference = float(np.abs(spectra[0] - moved).max())
    return Comparison(spacing, one, aligned, shift, whole, shape, otf_difference)


def _shift(
    product: NDArray[np.complex128], k: NDArray[np.float64], spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (3,) how far the second is moved from the first: where their correlation peaks."""
    correlation = np.fft.ifftn(product).real
    shape = np.array(correlation.shape)
    place = np.array(np.unravel_index(int(np.argmax(correlation)), correlation.shape))
    # The correlation's argument is where the first lies beside the second.
    shift = -(np.where(place > shape // 2, place - shape, place)) * spacing
    for _ in range(_ROUNDS):
        turned = product * np.exp(-2j * np.pi * (k @ shift))
        slope = 2 * np.pi * np.einsum("zyx,zyxi->i", turned.imag, k)
        bend = -4 * np.pi**2 * np.einsum("zyx,zyxi,zyxj->ij", turned.real, k, k)
        step = -np.linalg.solve(bend, slope)
        if not (np.abs(step) < spacing).all():
            break
        shift = shift + step
        if (np.abs(step) < 1e-6 * spacing).all():
            break
    return np.asarray(shift, dtype=np.float64)
