"""The frames of patterned illumination by plain loops: slow, exact, the oracle of the tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def direct_frames(
    density: Array, patterns: Array, excitation: Array, emission: Array, binning: int
) -> Array:
    """Return (T, Z, Y / d, X / d), what :class:`PatternedIllumination` should.

    Parameters
    ----------
    density
        (Z, Y, X).
    patterns
        (T, Y, X).
    excitation, emission
        Kernels with odd sizes, centred on their middle voxel, light per voxel.
    binning
        Voxels d along each side of a pixel.
    """
    count, rows, columns = patterns.shape
    frames = np.zeros((count, len(density), rows // binning, columns // binning))
    for t, pattern in enumerate(patterns):
        # A column blurred in 3D is a column: all that counts is the light summed along z.
        light = direct_convolution(pattern[None], excitation.sum(axis=0, keepdims=True))
        seen = direct_convolution(density * light, emission)
        for z, y, x in np.ndindex(seen.shape):
            frames[t, z, y // binning, x // binning] += seen[z, y, x]
    return frames


def direct_convolution(volume: Array, kernel: Array) -> Array:
    """Return the volume convolved with an odd, centred kernel; zero outside the volume."""
    if len(volume) == 1:
        kernel = kernel.sum(axis=0, keepdims=True)
    middle = np.array(kernel.shape) // 2
    result = np.zeros(volume.shape)
    for place in np.ndindex(volume.shape):
        for offset in np.ndindex(kernel.shape):
            source = np.array(place) - np.array(offset) + middle
            if (source >= 0).all() and (source < volume.shape).all():
                result[place] += kernel[offset] * volume[tuple(source)]
    return result
