"""The image of a point, and of its shift, on the voxels round it: looked up, not computed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.stage_blur import StageBlur
from napari_deltamic.imaging.image_model import Shape, image_of_modes
from napari_deltamic.meshft.band import mode_indices, narrow_band
from napari_deltamic.optics import PSF

# A point is moved to the nearest of so many places per 1 / cutoff: eight per sigma of a Gaussian.
_PLACES = 18.0
# The band ends where the OTF has fallen this far.
_THRESHOLD = 1e-3
# Voxels on which nothing in the table exceeds this part of its peak are left out.
_FAINT = 3e-3
# Half-width of a Gaussian in standard deviations.
_REACH = 3.6


class PointSpreadTable(NamedTuple):
    """Blurred images of a point for its places between the voxels."""

    values: NDArray[np.float32]
    """(mz, my, mx, 2, 4, bz, by, bx): place, blur, (value, derivatives along z, y, x), voxels.

    Values are per um^3, derivatives per um^4; the first voxel is ``reach`` voxels before the one at
    or below the point.
    """
    reach: NDArray[np.int64]
    """(3,) voxels before the one at or below the point; one more lies behind it."""


def point_spread_table(
    psf: PSF, blur: StageBlur, spacing: NDArray[np.float64], highest: NDArray[np.float64]
) -> PointSpreadTable:
    """Return the images of a point through a PSF and a further blur, applied once or twice.

    Parameters
    ----------
    psf
        The microscope.
    blur
        What the image is further blurred by.
    spacing
        Voxel size in um.
    highest
        (3,) frequencies in cycles/um along z, y and x above which little gets through.
    """
    places = np.maximum(np.ceil(_PLACES * spacing * highest), 1).astype(np.int64)
    half = np.sqrt(psf.extent() ** 2 + 2.0 * (_REACH * blur.sigma) ** 2)
    reach = np.ceil(half / spacing).astype(np.int64)
    fine = _sampled(psf, blur, spacing / places, places * (2 * reach + 3))
    reach = np.minimum(reach, _needed(fine, places))
    values = np.empty((*places, 2, 4, *(2 * reach + 2)), np.float32)
    offsets = [np.arange(-r, r + 2) for r in reach]
    for place in np.ndindex(*places):
        index = [
            (offset * count - at) % size
            for offset, count, at, size in zip(offsets, places, place, fine.shape[2:], strict=True)
        ]
        values[place] = fine[:, :, index[0][:, None, None], index[1][:, None], index[2]]
    return PointSpreadTable(values, reach)


def _sampled(
    psf: PSF, blur: StageBlur, step: NDArray[np.float64], sizes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (2, 4, N, N, N) values and derivatives on a periodic grid with the point at 0."""
    box: Shape = int(sizes[0]), int(sizes[1]), int(sizes[2])
    band = narrow_band(box, step, psf.otf, _THRESHOLD)
    axes = [
        torch.from_numpy(modes / (size * pitch)).float()
        for modes, size, pitch in zip(mode_indices(band), box, step, strict=True)
    ]
    frequencies = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    fine = np.empty((2, 4, *box), np.float32)
    with torch.no_grad():
        otf = psf.otf(frequencies).to(torch.complex64)
        blurred = blur.transfer(frequencies)
        for times, row in enumerate(fine, start=1):
            modes = otf * blurred**times
            row[0] = image_of_modes(modes, box, step, box).numpy()
            for axis in range(3):
                slope = modes * (2j * torch.pi * frequencies[..., axis])
                row[1 + axis] = image_of_modes(slope, box, step, box).numpy()
    return fine


def _needed(fine: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (3,) how many voxels the table must reach along each axis."""
    peaks = np.abs(fine).max(axis=(2, 3, 4), keepdims=True)
    seen = (np.abs(fine) > _FAINT * peaks).any(axis=(0, 1))
    needed = []
    for axis, count in enumerate(places):
        along = np.flatnonzero(seen.any(axis=tuple({0, 1, 2} - {axis})))
        distance = np.minimum(along, seen.shape[axis] - along).max()
        needed.append(int(np.ceil(distance / count)))
    return np.maximum(needed, 1)
