"""How strongly the residual of each region speaks of a surface that the mesh lacks."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.sheetness import sheetness
from napari_deltamic.mesh import TriangleMesh, voxelise
from napari_deltamic.optics import PSF
from napari_deltamic.optics.width import SIGMA_OF_FWHM, fwhm_of

Volume = NDArray[np.float32]

# Of a region's inner voxels, the share that a new sheet across it fills at least.
_SHARE = 0.05
# Distance from the region's surface, in sigmas of the blur, from which on its own misfit is small.
_DEEP = 2.0
# Fewer voxels than this say nothing.
_FEWEST = 20
_MAD_TO_SIGMA = 1.4826
# Frames that a region is compared with.
_MEMORY = 8
# The ratios of sound regions scatter by this part of themselves, however few are known.
_LEAST_SCATTER = 0.1
_CLEAR_SCORE, _CLEAR_RATIO = 5.0, 1.6
_DIMMEST = 1e-3


class Suspicion(NamedTuple):
    """A region whose residual says that the mesh lacks a surface in it."""

    region: int
    score: float
    """By how many robust standard deviations its residual exceeds what is usual."""
    ratio: float
    """How much stronger its strongest sheets are than those of noise."""


class Look(NamedTuple):
    """What the residual of one explanation of a frame shows."""

    labels: NDArray[np.int32]
    """(Z, Y, X) the region of each voxel."""
    ridges: Volume
    """(Z, Y, X) how strongly sheets stand out in the residual."""
    ratios: dict[int, float]
    """By region, how strong the strongest sheets deep in it are, beside those of noise. Regions too
    thin to have a deep inside are left out."""


class ResidualWatch:
    """Looks for sheets in the residuals of the frames of one movie.

    Parameters
    ----------
    psf
        The blur of the microscope.
    is_poisson
        Whether the noise grows with brightness as that of counted photons.
    is_dark
        Whether a new surface shows as a dark sheet, as where insides are marked.
    """

    def __init__(self, psf: PSF, is_poisson: bool, is_dark: bool) -> None:
        self.widths = SIGMA_OF_FWHM * fwhm_of(psf)
        self._is_poisson, self._is_dark = is_poisson, is_dark
        self._noise: Volume | None = None

    def excess(self, stack: ImageStack, image: NDArray[np.float32]) -> Volume:
        """Return (Z, Y, X) what the image lacks, in standard deviations of the noise.

        Dark sheets are turned into bright ones where they are what is looked for.
        """
        residual, scale = self._residual(stack, image, image)
        return -residual / scale if self._is_dark else residual / scale

    def squares(
        self,
        stack: ImageStack,
        image: NDArray[np.float32],
        inside: NDArray[np.bool_],
        weighed: NDArray[np.float32] | None = None,
    ) -> float:
        """Return the sum of squared residuals over the noise's variance in some voxels.

        Parameters
        ----------
        stack, image
            Data and what explains them.
        inside
            (Z, Y, X) which voxels.
        weighed
            The image that says how large the noise is; two explanations compare only by one.
        """
        scale_of = image if weighed is None else weighed
        _, scale = self._residual(stack, scale_of, scale_of)
        residual, _ = self._residual(stack, image, scale_of)
        return float(np.square(residual[inside].astype(np.float64)).sum()) / scale**2

    def _residual(
        self, stack: ImageStack, image: NDArray[np.float32], weighed: NDArray[np.float32]
    ) -> tuple[Volume, float]:
        """Return (Z, Y, X) the residual, evened out where noise varies, and how it scatters."""
        residual = np.asarray(stack.data - image, dtype=np.float32)
        if self._is_poisson:
            dimmest = max(_DIMMEST * float(weighed.max()), 1e-12)
            residual /= np.sqrt(np.maximum(weighed, dimmest))
        if stack.mask is not None:
            residual[~stack.mask] = 0.0
        return residual, _scatter(residual)

    def ridges(self, excess: Volume, stack: ImageStack) -> Volume:
        """Return (Z, Y, X) how strongly bright sheets stand out, as wide as the blur leaves them.

        In units in which white noise of standard deviation 1 scatters by 1 before its ridges are
        taken.
        """
        sigma = max(float(self.widths.min()), float(np.cbrt(stack.spacing.prod())))
        ridges, _ = sheetness(excess, stack.spacing, sigma)
        return ridges

    def look(
        self, stack: ImageStack, mesh: TriangleMesh, image: NDArray[np.float32]
    ) -> Generator[None, None, Look]:
        """Look at the residual of a mesh and its image; yields now and then."""
        labels = voxelise(mesh, stack.shape, stack.spacing, stack.origin)
        yield
        ridges = self.ridges(self.excess(stack, image), stack)
        yield
        ratios = yield from self.ratios(stack, labels, ridges)
        return Look(labels, ridges, ratios)

    def ratios(
        self, stack: ImageStack, labels: NDArray[np.int32], ridges: Volume
    ) -> Generator[None, None, dict[int, float]]:
        """Return what :class:`Look` calls so; yields now and then."""
        if self._noise is None or self._noise.shape != stack.shape:
            noise = np.random.default_rng(0).standard_normal(stack.shape, dtype=np.float32)
            self._noise = self.ridges(noise, stack)
            yield
        scale = _scatter(ridges) / _scatter(self._noise)
        depth = depths(labels, stack.spacing, self.widths)
        yield
        ratios = {}
        for region in np.unique(labels[labels > 0]).tolist():
            inside = (labels == region) & (depth > _DEEP)
            if stack.mask is not None:
                inside &= stack.mask
            if int(inside.sum()) < _FEWEST:
                continue
            ratios[region] = _strongest(ridges[inside]) / (scale * _strongest(self._noise[inside]))
        return ratios


def suspicions(
    ratios: Mapping[int, float], history: Sequence[Mapping[int, float]]
) -> list[Suspicion]:
    """Return the regions whose residual is unusual, the most unusual first.

    Parameters
    ----------
    ratios
        Of this frame, by region; see :class:`Look`.
    history
        The same of the frames before, the latest last. What they say of a region counts most; of a
        region they do not have, the other regions tell what is usual.
    """
    recent = history[-_MEMORY:]
    others = [ratio for frame in (*recent, ratios) for ratio in frame.values()]
    found = []
    for region, ratio in ratios.items():
        own = [frame[region] for frame in recent if region in frame]
        usual = float(np.median(own or others))
        scatter = [_MAD_TO_SIGMA * _deviation(values) for values in (own, others) if values]
        score = (ratio - usual) / max(*scatter, _LEAST_SCATTER * max(usual, 1.0))
        if score > _CLEAR_SCORE and ratio > _CLEAR_RATIO:
            found.append(Suspicion(region, float(score), float(ratio)))
    return sorted(found, key=lambda one: -one.score)


def depths(
    labels: NDArray[np.int32], spacing: NDArray[np.float64], widths: NDArray[np.float64]
) -> Volume:
    """Return (Z, Y, X) how far each voxel is from the nearest of another label, in blur widths."""
    from scipy import ndimage

    inner = np.ones(labels.shape, dtype=bool)
    for axis in range(3):
        along, same = np.moveaxis(labels, axis, 0), np.moveaxis(inner, axis, 0)
        differ = along[1:] != along[:-1]
        same[1:] &= ~differ
        same[:-1] &= ~differ
    if inner.all():
        return np.full(labels.shape, np.inf, dtype=np.float32)
    return np.asarray(
        ndimage.distance_transform_edt(inner, sampling=spacing / widths), dtype=np.float32
    )


def _strongest(values: Volume) -> float:
    """Return the mean of the largest share of some values."""
    count = max(int(_SHARE * len(values)), 1)
    return float(np.partition(values, len(values) - count)[-count:].mean())


def _scatter(values: Volume) -> float:
    """Return a robust standard deviation about the median; of ridges, a robust size of theirs."""
    deviation = np.abs(values - np.median(values))
    return max(_MAD_TO_SIGMA * float(np.median(deviation)), 1e-12)


def _deviation(values: Sequence[float]) -> float:
    return float(np.median(np.abs(np.asarray(values) - np.median(values))))
