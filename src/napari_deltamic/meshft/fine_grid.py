"""Fourier transforms between the fine grid and the band, one axis at a time.

After each axis only what the band needs goes on to the next, and planes that hold nothing are left
out of the first two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_deltamic.meshft.threads import thread_count

Band = tuple[int, int, int]


def band_of_grid(grid: NDArray[Any], planes: NDArray[np.bool_], band: Band) -> NDArray[Any]:
    """Return the band's modes of a real grid.

    Parameters
    ----------
    grid
        (z, y, x) real; may be a view with strided rows.
    planes
        (z,) which planes hold anything.
    band
        Largest mode index along z, y and x.

    Returns
    -------
    ndarray
        (2 kz + 1, 2 ky + 1, kx + 1) complex: the sum over nodes of
        grid * exp(-2 pi i mode node / size).
    """
    kz, ky, kx = band
    size_z, size_y, _ = grid.shape
    workers = thread_count()
    selected = _selection(planes)
    rows = fft.rfft(grid[selected], axis=2, workers=workers)[:, :, : kx + 1]
    columns = fft.fft(rows, axis=1, workers=workers)
    stacks = np.zeros((size_z, 2 * ky + 1, kx + 1), columns.dtype)
    stacks[selected, : ky + 1] = columns[:, : ky + 1]
    stacks[selected, ky + 1 :] = columns[:, size_y - ky :]
    modes = fft.fft(stacks, axis=0, overwrite_x=True, workers=workers)
    return np.concatenate([modes[: kz + 1], modes[size_z - kz :]])


def grid_of_band(
    modes: NDArray[Any], planes: NDArray[np.bool_], grid: NDArray[Any], halo: int
) -> None:
    """Fill the wanted planes of a grid with the real part of the modes' sum.

    Parameters
    ----------
    modes
        (2 kz + 1, 2 ky + 1, kx + 1) complex coefficients of exp(+2 pi i mode node / size).
    planes
        (z,) which planes are wanted; the others keep what they held.
    grid
        (z, y, x + halo) real, filled in place.
    halo
        Length of the halo along x, which repeats the first nodes of its row.
    """
    kz, ky, kx = (modes.shape[0] - 1) // 2, (modes.shape[1] - 1) // 2, modes.shape[2] - 1
    size_z, size_y, size_x = grid.shape[0], grid.shape[1], grid.shape[2] - halo
    workers = thread_count()
    selected = _selection(planes)
    stacks = np.zeros((size_z, 2 * ky + 1, kx + 1), modes.dtype)
    stacks[: kz + 1] = modes[: kz + 1]
    stacks[size_z - kz :] = modes[kz + 1 :]
    # irfft counts every mode but those at x = 0 twice, once for its mirror image.
    stacks[:, :, 1:] *= stacks.real.dtype.type(0.5)
    stacks = fft.ifft(stacks, axis=0, norm="forward", overwrite_x=True, workers=workers)
    wanted = stacks[selected]
    columns = np.zeros((len(wanted), size_y, kx + 1), modes.dtype)
    columns[:, : ky + 1] = wanted[:, : ky + 1]
    columns[:, size_y - ky :] = wanted[:, ky + 1 :]
    columns = fft.ifft(columns, axis=1, norm="forward", overwrite_x=True, workers=workers)
    grid[selected, :, :size_x] = fft.irfft(
        columns, n=size_x, axis=2, norm="forward", workers=workers
    )
    grid[selected, :, size_x:] = grid[selected, :, :halo]


def _selection(planes: NDArray[np.bool_]) -> slice | NDArray[np.bool_]:
    """Return a slice where the planes are in one run, which spares a copy."""
    chosen = np.flatnonzero(planes)
    if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen):
        return slice(int(chosen[0]), int(chosen[-1]) + 1)
    return planes
