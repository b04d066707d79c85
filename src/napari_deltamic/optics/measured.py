"""The PSF as it was measured: voxels of a point, or of the average of many."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.sampled_transform import transform_of_samples
from napari_deltamic.optics.voxel_checks import checked_volume
from napari_deltamic.spacing import checked_spacing

# Light outside the box that a PSF is said to reach.
_OUTSIDE = 1e-3


class MeasuredPSF(PSF):
    """A PSF given by its voxels.

    Parameters
    ----------
    voxels
        (Z, Y, X) light, free of background; any total. What noise makes negative stays negative:
        cutting it off would add light.
    spacing
        (3,) voxel size in um, (z, y, x).
    centre
        (3,) position of the point in um from the centre of voxel (0, 0, 0). By default the
        centroid of the light brighter than half the peak: where a bead lies is not known, and the
        brightest spot is what one takes it for.

    Raises
    ------
    ValueError
        If the voxels are not a finite volume with a positive total, the spacing is not three
        positive lengths, or the centre lies outside the voxels.

    Notes
    -----
    The OTF is the Fourier sum of the voxels, so the PSF is the band-limited function through them:
    no frequency beyond half a cycle a voxel passes, and any spacing can be resampled to. It is
    complex where the PSF is not symmetric. Nothing is learnable; fit a model to it with
    :func:`match_psf` for that.
    """

    voxels: torch.Tensor

    def __init__(
        self, voxels: ArrayLike, spacing: ArrayLike, centre: ArrayLike | None = None
    ) -> None:
        super().__init__()
        volume = checked_volume("voxels", voxels)
        total = float(volume.sum())
        if total <= 0:
            raise ValueError(
                f"voxels: their total is {total:g}, not positive; subtract less background"
            )
        steps = checked_spacing(spacing)
        if centre is None:
            place = steps * bright_centre(volume)
        else:
            place = _checked_centre(centre, steps * (np.array(volume.shape) - 1))
        self.spacing = tuple(steps.tolist())
        self.centre = tuple(place.tolist())
        self.register_buffer("voxels", torch.from_numpy(volume / total))

    def otf(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Return the voxels' Fourier sum, 0 beyond half a cycle a voxel; see :meth:`PSF.otf`."""
        samples = self.voxels.to(frequencies)
        corner = [-at for at in self.centre]
        found = transform_of_samples(samples, corner, self.spacing, frequencies)
        # The outermost frequency of an FFT grid rounds to either side of the limit.
        limit = 0.5 * (1.0 + 1e-6) / frequencies.new_tensor(self.spacing)
        inside = (frequencies.abs() <= limit).all(dim=-1)
        return torch.where(inside, found, torch.zeros_like(found))

    def extent(self) -> NDArray[np.float64]:
        """Return half-widths of a box that holds 0.999 of the light; noise counts as light."""
        light = self.voxels.detach().cpu().numpy()
        return np.array([self._reach(np.abs(light), axis) for axis in range(3)])

    def sampled(
        self, shape: tuple[int, int, int], spacing: tuple[float, float, float]
    ) -> torch.Tensor:
        """Return the PSF on voxels of any size, (Z, Y, X), scaled to sum to 1.

        Centred on voxel ``shape // 2``. Larger voxels take up what their sampling theorem allows,
        so they do not alias.
        """
        steps = checked_spacing(spacing)
        # Nothing may wrap round into the box that is asked for.
        reach = self._half_size() + steps * (np.array(shape) // 2 + 1)
        whole = np.maximum(np.ceil(reach / steps).astype(int), shape)
        light = super().sampled((int(whole[0]), int(whole[1]), int(whole[2])), spacing)
        first = whole // 2 - np.array(shape) // 2
        z, y, x = (slice(int(i), int(i) + n) for i, n in zip(first, shape, strict=True))
        kept = light[z, y, x]
        return kept / kept.sum()

    def extra_repr(self) -> str:
        """Show the size and the spacing."""
        sizes = "x".join(str(n) for n in self.voxels.shape)
        return "{} voxels of {:.4g}, {:.4g}, {:.4g} um".format(sizes, *self.spacing)

    def _half_size(self) -> NDArray[np.float64]:
        """Return (3,) distance in um from the centre to the farther edge of the voxels."""
        size = np.array(self.spacing) * self.voxels.shape
        before = np.array(self.centre) + 0.5 * np.array(self.spacing)
        return np.maximum(before, size - before)

    def _reach(self, light: NDArray[np.float64], axis: int) -> float:
        """Return the distance from the centre that holds the light but for a third of 1e-3."""
        marginal = light.sum(axis=tuple(i for i in range(3) if i != axis))
        step = self.spacing[axis]
        distance = np.abs(np.arange(len(marginal)) * step - self.centre[axis])
        order = np.argsort(distance)
        held = np.cumsum(marginal[order]) / marginal.sum()
        last = int(np.searchsorted(held, 1.0 - _OUTSIDE / 3))
        return float(distance[order[min(last, len(order) - 1)]] + 0.5 * step)


def bright_centre(volume: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3,) the centroid, in voxels, of what is brighter than half the peak.

    Weighed by how much brighter, so that noise moves no voxel in or out at once.
    """
    brighter = np.maximum(volume - 0.5 * volume.max(), 0.0)
    places = np.indices(volume.shape).reshape(3, -1)
    centre: NDArray[np.float64] = places @ brighter.ravel() / brighter.sum()
    return centre


def _checked_centre(centre: ArrayLike, last: NDArray[np.float64]) -> NDArray[np.float64]:
    place = np.asarray(centre, dtype=np.float64)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise ValueError(f"centre: expected three positions in um, (z, y, x), got {centre}")
    if (place < 0).any() or (place > last).any():
        raise ValueError(
            f"centre: {centre} um lies outside the voxels, which end at {last.tolist()} um"
        )
    return place
