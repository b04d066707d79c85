"""From the band's modes to the voxels of a stack in a periodic box, and the adjoint, on the CPU.

One axis at a time, in blocks that fit in a core's cache; what the stack does not need is dropped
after each axis. Modes beyond Nyquist alias. What the blocks are must not depend on the number of
threads, lest the results do.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_deltamic.kernel_threads import run_chunks
from napari_deltamic.meshft.fine_grid import blocks

Array = NDArray[Any]
Shape = tuple[int, int, int]


def voxels_of_band(modes: Array, box: Shape, a_mode: float, weight: Array, image: Array) -> None:
    """Fill an image with the real part of the modes' sum, times a weight.

    Parameters
    ----------
    modes
        (2 kz + 1, 2 ky + 1, kx + 1) complex, z and y in FFT order: the coefficients of
        exp(+2 pi i mode voxel / size), those of negative modes along x left out.
    box
        Voxels of the periodic box.
    a_mode
        What the modes are multiplied by.
    weight
        What broadcasts to (Z, Y, X).
    image
        (Z, Y, X) real, at the box's start; filled in place.
    """
    kz, ky, kx = _band(modes)
    planes, rows, columns = image.shape
    weights = np.broadcast_to(weight, image.shape)
    # irfft counts every mode but those at x = 0 twice, once for its mirror image.
    finer = oversampling(kx, box[2])
    stacks = np.empty((planes, 2 * ky + 1, kx + 1), modes.dtype)

    def sum_stacks(start: int, stop: int) -> None:
        part = np.zeros((box[0], stop - start, kx + 1), modes.dtype)
        for kept, source in _runs(kz, box[0]):
            part[source] += a_mode * modes[kept, start:stop]
        stacks[:, start:stop] = fft.ifft(part, axis=0, norm="forward", overwrite_x=True)[:planes]

    def sum_planes(start: int, stop: int) -> None:
        part = np.zeros((stop - start, box[1], kx + 1), modes.dtype)
        for kept, source in _runs(ky, box[1]):
            part[:, source] += stacks[start:stop, kept]
        part = fft.ifft(part, axis=1, norm="forward", overwrite_x=True)[:, :rows]
        lines = fft.irfft(part, n=finer * box[2], axis=2, norm="forward")
        lines = lines[:, :, : finer * columns : finer]
        np.multiply(lines, weights[start:stop], out=image[start:stop])

    run_chunks(sum_stacks, _blocks(2 * ky + 1, modes.itemsize * box[0] * (kx + 1)))
    run_chunks(sum_planes, _blocks(planes, modes.itemsize * box[1] * box[2]))


def band_of_voxels(image: Array, box: Shape, a_mode: float, weight: Array, band: Shape) -> Array:
    """Return the adjoint of :func:`voxels_of_band`: modes, as gradients of real sums are given.

    Parameters
    ----------
    image
        (Z, Y, X) real, at the box's start.
    box, a_mode, weight
        Those of :func:`voxels_of_band`.
    band
        Largest mode index along z, y and x.
    """
    kz, ky, kx = band
    planes, rows, columns = image.shape
    weights = np.broadcast_to(weight, image.shape)
    finer = oversampling(kx, box[2])
    dtype = np.result_type(image, 1j)
    mirrored = (a_mode * np.where(np.arange(kx + 1) > 0, 2.0, 1.0)).astype(image.dtype)
    stacks = np.empty((planes, 2 * ky + 1, kx + 1), dtype)
    modes = np.empty((2 * kz + 1, 2 * ky + 1, kx + 1), dtype)

    def transform_planes(start: int, stop: int) -> None:
        lines = np.zeros((stop - start, rows, finer * box[2]), image.dtype)
        wanted = lines[:, :, : finer * columns : finer]
        np.multiply(image[start:stop], weights[start:stop], out=wanted)
        part = np.zeros((stop - start, box[1], kx + 1), dtype)
        np.multiply(fft.rfft(lines, axis=2)[:, :, : kx + 1], mirrored, out=part[:, :rows])
        part = fft.fft(part, axis=1, overwrite_x=True)
        for kept, source in _runs(ky, box[1]):
            stacks[start:stop, kept] = part[:, source]

    def transform_stacks(start: int, stop: int) -> None:
        part = fft.fft(stacks[:, start:stop], n=box[0], axis=0)
        for kept, source in _runs(kz, box[0]):
            modes[kept, start:stop] = part[source]

    run_chunks(transform_planes, _blocks(planes, dtype.itemsize * box[1] * box[2]))
    run_chunks(transform_stacks, _blocks(2 * ky + 1, dtype.itemsize * box[0] * (kx + 1)))
    return modes


def _band(modes: Array) -> Shape:
    return (modes.shape[0] - 1) // 2, (modes.shape[1] - 1) // 2, modes.shape[2] - 1


def oversampling(largest: int, size: int) -> int:
    """Return how many times finer a line must be for its modes to fit in it without aliasing."""
    return (2 * largest) // size + 1


def _runs(largest: int, size: int) -> list[tuple[slice, slice]]:
    """Return where modes 0..k and -k..-1 lie in the band, and where on a line of ``size``.

    Each run is of consecutive modes; those beyond Nyquist fall on others.
    """
    edges = sorted({-largest, *range(-size * (largest // size), largest + 1, size), largest + 1})
    count = 2 * largest + 1
    return [
        # Negative modes follow the others in the band.
        (
            slice(start % count, start % count + stop - start),
            slice(start % size, start % size + stop - start),
        )
        for start, stop in pairwise(edges)
    ]


def _blocks(count: int, bytes_each: int) -> list[tuple[int, int]]:
    return blocks(np.ones(count, np.bool_), bytes_each)
