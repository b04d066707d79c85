"""Loops that fill sparse columns with images of points, and that sum products of such columns."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def bounds(
    starts: NDArray[np.int64],
    positions: NDArray[np.float64],
    spacing: NDArray[np.float64],
    reach: NDArray[np.int64],
    shape: NDArray[np.int64],
    lower: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> None:
    """Write (N, 3) the first voxel that each column may touch, and (N, 3) along how many."""
    for column in range(len(starts) - 1):
        for axis in range(3):
            low, high = shape[axis], -1
            for point in range(starts[column], starts[column + 1]):
                # The nearest place may be that of the next voxel.
                at = int(np.floor(positions[point, axis] / spacing[axis]))
                low = min(low, at - reach[axis])
                high = max(high, at + reach[axis] + 2)
            low, high = max(low, 0), min(high, shape[axis] - 1)
            lower[column, axis] = low
            sizes[column, axis] = max(high - low + 1, 0)


@njit(nogil=True, cache=True, fastmath=True)
def fill(
    first: int,
    last: int,
    begin: NDArray[np.int64],
    faint: float,
    starts: NDArray[np.int64],
    positions: NDArray[np.float64],
    coefficients: NDArray[np.float32],
    lower: NDArray[np.int64],
    sizes: NDArray[np.int64],
    table: NDArray[np.float32],
    reach: NDArray[np.int64],
    spacing: NDArray[np.float64],
    shape: NDArray[np.int64],
    voxels: NDArray[np.int32],
    values: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Write the voxels of columns first..last and their (2, ...) values from ``begin`` on.

    Voxels whose values are below ``faint`` times the column's largest are left out.
    """
    places = np.array(table.shape[:3])
    base, place = np.empty(3, np.int64), np.empty(3, np.int64)
    start, stop = np.empty(3, np.int64), np.empty(3, np.int64)
    for column in range(first, last):
        nz, ny, nx = sizes[column]
        counts[column] = 0
        if nz * ny * nx == 0:
            continue
        low = lower[column]
        image = np.zeros((2, nz, ny, nx), np.float32)
        for point in range(starts[column], starts[column + 1]):
            for axis in range(3):
                at = positions[point, axis] / spacing[axis]
                base[axis] = int(np.floor(at))
                place[axis] = int(np.floor((at - base[axis]) * places[axis] + 0.5))
                if place[axis] == places[axis]:
                    base[axis] += 1
                    place[axis] = 0
                start[axis] = max(base[axis] - reach[axis], 0)
                stop[axis] = min(base[axis] + reach[axis] + 2, shape[axis])
            spot = table[place[0], place[1], place[2]]
            a, b, c, d = coefficients[point]
            corner = base[2] - reach[2]
            count = stop[2] - start[2]
            if count <= 0:
                continue
            for blur in range(2):
                for z in range(start[0], stop[0]):
                    tz = z - base[0] + reach[0]
                    for y in range(start[1], stop[1]):
                        ty = y - base[1] + reach[1]
                        row = image[blur, z - low[0], y - low[1]]
                        s0, s1 = spot[blur, 0, tz, ty], spot[blur, 1, tz, ty]
                        s2, s3 = spot[blur, 2, tz, ty], spot[blur, 3, tz, ty]
                        shift, skip = start[2] - low[2], start[2] - corner
                        for x in range(count):
                            row[shift + x] += (
                                a * s0[skip + x]
                                + b * s1[skip + x]
                                + c * s2[skip + x]
                                + d * s3[skip + x]
                            )
        limits = np.zeros(2, np.float32)
        for blur in range(2):
            limits[blur] = faint * np.abs(image[blur]).max()
        at_entry = begin[column]
        for z in range(nz):
            for y in range(ny):
                for x in range(nx):
                    one, two = image[0, z, y, x], image[1, z, y, x]
                    if abs(one) > limits[0] or abs(two) > limits[1]:
                        row_of = (low[0] + z) * shape[1] + low[1] + y
                        voxels[at_entry] = row_of * shape[2] + low[2] + x
                        values[0, at_entry] = one
                        values[1, at_entry] = two
                        at_entry += 1
        counts[column] = at_entry - begin[column]


@njit(nogil=True, cache=True, fastmath=True)
def upper_products(
    first: int,
    last: int,
    slot: int,
    capacity: int,
    starts: NDArray[np.int64],
    voxels: NDArray[np.int32],
    values: NDArray[np.float32],
    row_starts: NDArray[np.int64],
    row_columns: NDArray[np.int32],
    row_entries: NDArray[np.int32],
    weights: NDArray[np.float32],
    columns: NDArray[np.int32],
    sums: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Write the weighted products of columns first..last with themselves and all later ones.

    Row ``slot`` of the (S, capacity) ``columns`` and (S, 2, capacity) ``sums`` takes them, one
    column after the other; ``counts`` says how many are of each. A column that finds no room any
    more counts -1.
    """
    total = len(starts) - 1
    dense = np.zeros((total - first, 2), np.float32)
    seen = np.zeros(total - first, np.bool_)
    touched = np.empty(total - first, np.int32)
    at = 0
    for column in range(first, last):
        met = 0
        for entry in range(starts[column], starts[column + 1]):
            voxel = voxels[entry]
            one = values[0, entry] * weights[0, voxel]
            two = values[1, entry] * weights[1, voxel]
            index = row_starts[voxel + 1] - 1
            while index >= row_starts[voxel] and row_columns[index] >= column:
                other = row_columns[index] - first
                if not seen[other]:
                    seen[other] = True
                    touched[met] = other
                    met += 1
                where = row_entries[index]
                dense[other, 0] += one * values[0, where]
                dense[other, 1] += two * values[1, where]
                index -= 1
        if at + met > capacity:
            counts[column] = -1
        else:
            counts[column] = met
        for index in range(met):
            other = touched[index]
            if counts[column] >= 0:
                columns[slot, at] = other + first
                sums[slot, 0, at] = dense[other, 0]
                sums[slot, 1, at] = dense[other, 1]
                at += 1
            seen[other] = False
            dense[other] = 0.0


@njit(nogil=True, cache=True, fastmath=True)
def times(
    first: int,
    last: int,
    starts: NDArray[np.int32],
    columns: NDArray[np.int32],
    values: NDArray[np.float64],
    vectors: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    """Write rows first..last of a csr matrix times (N, M) vectors."""
    count = vectors.shape[1]
    for row in range(first, last):
        sums = np.zeros(count)
        for entry in range(starts[row], starts[row + 1]):
            value, vector = values[entry], vectors[columns[entry]]
            for index in range(count):
                sums[index] += value * vector[index]
        result[row] = sums
