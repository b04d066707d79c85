"""Fourier transforms between the fine grid and the band, one axis at a time.

After each axis only what the band needs goes on to the next; planes and rows that hold nothing are
left out. Blocks that fit in a core's cache go through all their steps before the next ones. What
the blocks are must not depend on the number of threads, lest the results do.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_deltamic.kernel_threads import run_chunks

Array = NDArray[Any]
Factors = tuple[Array, Array, Array]
"""Real factors of the modes along z, y and x, in the order of :func:`band.mode_indices`."""

_BLOCK_BYTES = 2**19


def band_of_grid(
    grid: Array, planes: NDArray[np.bool_], rows: NDArray[np.bool_], halo: int, factors: Factors
) -> Array:
    """Return the band's modes of a real grid.

    Parameters
    ----------
    grid
        (z, y + halo, x + halo) real; the halos stand for the first nodes, and are added to them.
    planes, rows
        (z,) and (y,) which planes hold anything, and which of their rows.
    halo
        Length of the halos.
    factors
        (2 kz + 1,), (2 ky + 1,) and (kx + 1,): what the modes are multiplied by.

    Returns
    -------
    ndarray
        (2 kz + 1, 2 ky + 1, kx + 1) complex: the sum over nodes of
        grid * exp(-2 pi i mode node / size), times the factors.
    """
    along_z, along_y, along_x = factors
    kz, ky, kx = len(along_z) // 2, len(along_y) // 2, len(along_x) - 1
    size_z, size_y, size_x = len(grid), grid.shape[1] - halo, grid.shape[2] - halo
    dtype = np.result_type(grid, 1j)
    in_plane = along_y[:, None] * along_x
    stacks = np.empty((size_z, 2 * ky + 1, kx + 1), dtype)
    stacks[~planes] = 0.0
    used = _hull(rows)

    def transform_planes(start: int, stop: int) -> None:
        part = grid[start:stop]
        part[:, :, :halo] += part[:, :, size_x:]
        part[:, :halo] += part[:, size_y:]
        columns = np.empty((stop - start, size_y, kx + 1), dtype)
        columns[:, : used.start] = columns[:, used.stop :] = 0.0
        columns[:, used] = fft.rfft(part[:, used, :size_x], axis=2)[:, :, : kx + 1]
        columns = fft.fft(columns, axis=1, overwrite_x=True)
        for kept, source in _band_rows(ky, size_y):
            np.multiply(columns[:, source], in_plane[kept], out=stacks[start:stop, kept])

    def transform_stacks(start: int, stop: int) -> None:
        part = fft.fft(stacks[:, start:stop], axis=0, overwrite_x=True)
        for kept, source in _band_rows(kz, size_z):
            np.multiply(part[source], along_z[kept, None, None], out=modes[kept, start:stop])

    run_chunks(transform_planes, blocks(planes, dtype.itemsize * size_y * size_x))
    modes = np.empty((2 * kz + 1, 2 * ky + 1, kx + 1), dtype)
    every = np.ones(2 * ky + 1, np.bool_)
    run_chunks(transform_stacks, blocks(every, dtype.itemsize * size_z * (kx + 1)))
    return modes


def grid_of_band(
    modes: Array,
    planes: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    halo: int,
    factors: Factors,
    grid: Array,
) -> None:
    """Fill the wanted rows of the wanted planes with the real part of the modes' sum.

    Parameters
    ----------
    modes
        (2 kz + 1, 2 ky + 1, kx + 1) complex: with the factors, the coefficients of
        exp(+2 pi i mode node / size).
    planes, rows, halo, factors
        As for :func:`band_of_grid`.
    grid
        (z, y + halo, x + halo) real, filled in place where it is wanted and in the halos.
    """
    along_z, along_y, along_x = factors
    kz, ky, kx = (modes.shape[0] - 1) // 2, (modes.shape[1] - 1) // 2, modes.shape[2] - 1
    size_z, size_y, size_x = len(grid), grid.shape[1] - halo, grid.shape[2] - halo
    # irfft counts every mode but those at x = 0 twice, once for its mirror image.
    halved = np.where(np.arange(kx + 1) > 0, 0.5, 1.0).astype(along_x.dtype) * along_x
    in_plane = along_y[:, None] * halved
    stacks = np.empty((size_z, 2 * ky + 1, kx + 1), modes.dtype)
    used = _hull(rows)

    def transform_stacks(start: int, stop: int) -> None:
        part = np.empty((size_z, stop - start, kx + 1), modes.dtype)
        part[kz + 1 : size_z - kz] = 0.0
        for kept, source in _band_rows(kz, size_z):
            np.multiply(modes[kept, start:stop], along_z[kept, None, None], out=part[source])
        stacks[:, start:stop] = fft.ifft(part, axis=0, norm="forward", overwrite_x=True)

    def transform_planes(start: int, stop: int) -> None:
        columns = np.empty((stop - start, size_y, kx + 1), modes.dtype)
        columns[:, ky + 1 : size_y - ky] = 0.0
        for kept, source in _band_rows(ky, size_y):
            np.multiply(stacks[start:stop, kept], in_plane[kept], out=columns[:, source])
        columns = fft.ifft(columns, axis=1, norm="forward", overwrite_x=True)
        part = grid[start:stop]
        part[:, used, :size_x] = fft.irfft(columns[:, used], n=size_x, axis=2, norm="forward")
        part[:, size_y:] = part[:, :halo]
        part[:, :, size_x:] = part[:, :, :halo]

    every = np.ones(2 * ky + 1, np.bool_)
    run_chunks(transform_stacks, blocks(every, modes.itemsize * size_z * (kx + 1)))
    run_chunks(transform_planes, blocks(planes, modes.itemsize * size_y * size_x))


def _band_rows(k: int, size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where modes 0..k and -k..-1 lie in the band, and where on a line of ``size``."""
    return (slice(0, k + 1), slice(0, k + 1)), (slice(k + 1, None), slice(size - k, size))


def _hull(chosen: NDArray[np.bool_]) -> slice:
    """Return the shortest slice that holds all that is chosen."""
    where = np.flatnonzero(chosen)
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)


def blocks(chosen: NDArray[np.bool_], bytes_each: int) -> list[tuple[int, int]]:
    """Return the chosen in ranges of about a block each."""
    most = max(1, _BLOCK_BYTES // bytes_each)
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).tolist()
    return [
        pair
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
        for pair in pairwise([*range(start, stop, most), stop])
    ]
