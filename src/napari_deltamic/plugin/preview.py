"""Renderings made small enough to redraw many times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_deltamic.imaging.residual import NoiseKind
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.spatial import Placement

PREVIEW_VOXELS_2D = 4_000_000
PREVIEW_VOXELS_3D = 400_000
# In the metadata of a layer that shows a rendering, which nobody wants to fit.
IS_RENDERING = "napari_deltamic_rendering"


class Preview(NamedTuple):
    """A binned rendering and where it lies."""

    image: NDArray[np.float32]
    """(Z, Y, X) means over bins of voxels."""
    bins: tuple[int, int, int]
    """How many voxels went into one, along each axis."""
    residual: NDArray[np.float32] | None = None
    """(Z, Y, X) what the rendering leaves unexplained, in the noise's units, in the same bins."""

    def place(self, placement: Placement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the size of a bin and the centre of the first in um, of a stack that lies so."""
        bins = np.array(self.bins)
        return placement.spacing * bins, placement.origin + placement.spacing * (bins - 1) / 2


class PreviewMaker:
    """Makes the previews of one fit; the image's noise is measured once, when it is needed.

    Parameters
    ----------
    noise
        What the fit takes it for.
    """

    def __init__(self, noise: NoiseKind) -> None:
        self._noise = noise
        self._level: float | None = None

    def __call__(self, moment: Moment, most_voxels: int, *, residual: bool = False) -> Preview:
        """Return the preview of a moment that can be rendered.

        Parameters
        ----------
        moment
            Of the fit.
        most_voxels
            As of :func:`binned`.
        residual
            Whether the residual is wanted too.
        """
        assert moment.render is not None
        rendering = moment.render()
        preview = binned(rendering, most_voxels)
        if not residual or moment.observed is None:
            return preview
        # Imported here: the module needs scipy.
        from napari_deltamic.imaging.residual import residual_in_noise

        left, self._level = residual_in_noise(
            moment.observed(), rendering, self._noise, self._level
        )
        return preview._replace(residual=averaged(left, preview.bins))


def binned(image: NDArray[np.float32], most_voxels: int) -> Preview:
    """Return a stack averaged over bins until no more than ``most_voxels`` voxels remain.

    The axis with the most voxels is halved first; voxels that do not fill a last bin are left out.
    """
    bins = [1, 1, 1]
    while np.prod([n // b for n, b in zip(image.shape, bins, strict=True)]) > most_voxels:
        bins[int(np.argmax([n / b for n, b in zip(image.shape, bins, strict=True)]))] *= 2
    z, y, x = bins
    return Preview(averaged(image, (z, y, x)), (z, y, x))


def averaged(image: NDArray[np.float32], bins: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return the means over bins of voxels; voxels that do not fill a last bin are left out."""
    if bins == (1, 1, 1):
        return image
    kept = tuple(slice(0, n // b * b) for n, b in zip(image.shape, bins, strict=True))
    z, y, x = bins
    cut = image[kept]
    blocks = cut.reshape(cut.shape[0] // z, z, cut.shape[1] // y, y, cut.shape[2] // x, x)
    return np.asarray(blocks.mean(axis=(1, 3, 5), dtype=np.float32))
