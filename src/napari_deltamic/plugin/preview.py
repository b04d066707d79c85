"""Renderings made small enough to redraw many times a second."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


def binned(image: NDArray[np.float32], most_voxels: int) -> Preview:
    """Return a stack averaged over bins until no more than ``most_voxels`` voxels remain.

    The axis with the most voxels is halved first; voxels that do not fill a last bin are left out.
    """
    bins = [1, 1, 1]
    while np.prod([n // b for n, b in zip(image.shape, bins, strict=True)]) > most_voxels:
        bins[int(np.argmax([n / b for n, b in zip(image.shape, bins, strict=True)]))] *= 2
    if bins == [1, 1, 1]:
        return Preview(image, (1, 1, 1))
    kept = tuple(slice(0, n // b * b) for n, b in zip(image.shape, bins, strict=True))
    z, y, x = bins
    cut = image[kept]
    blocks = cut.reshape(cut.shape[0] // z, z, cut.shape[1] // y, y, cut.shape[2] // x, x)
    return Preview(blocks.mean(axis=(1, 3, 5), dtype=np.float32), (z, y, x))
