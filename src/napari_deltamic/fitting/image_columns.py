"""Sparse columns of images: what single unknowns change of a stack, and their products."""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.point_spread_table import PointSpreadTable
from napari_deltamic.kernel_threads import run_chunks, thread_count

if TYPE_CHECKING:
    from napari_deltamic.fitting.shape_unknowns import Points
    from napari_deltamic.imaging import ImageStack

# Entries below this part of a column's largest are left out.
_FAINT = 5e-3
# Largest number of voxels, entries or points worked on between two yields.
_PORTION = 1 << 22
_COLUMNS = 128
# Products of a column to begin with; more room is made if there are more.
_PRODUCTS = 512


class Columns(NamedTuple):
    """(voxels, N) sparse matrices of one pattern, column after column."""

    starts: NDArray[np.int64]
    """(N + 1,) first entry of each column, and the end."""
    voxels: NDArray[np.int32]
    """(E,) index of each entry's voxel in the flattened stack."""
    values: NDArray[np.float32]
    """(2, E) as the misfit sees the voxel, and as the noise of the voxel enters the misfit."""

    def matrix(self, which: int, count: int) -> Any:
        """Return the (count, N) sparse matrix of the first or the second values."""
        from scipy.sparse import csc_matrix

        parts = self.values[which], self.voxels, self.starts
        return csc_matrix(parts, shape=(count, len(self.starts) - 1))


def image_columns(
    points: Points, table: PointSpreadTable, stack: ImageStack
) -> Generator[None, None, Columns]:
    """Return the images that points make in a stack, a column for each group; yields often.

    Parameters
    ----------
    points
        Positions in um from the centre of voxel 0.
    table
        The images of a point through both blurs.
    stack
        The voxels.
    """
    from napari_deltamic.fitting.column_kernels import bounds, fill

    count = len(points.starts) - 1
    shape = np.array(stack.shape)
    lower, sizes = np.empty((count, 3), np.int64), np.empty((count, 3), np.int64)
    reach = table.reach.astype(np.int64)
    bounds(points.starts, points.positions, stack.spacing, reach, shape, lower, sizes)
    volumes = sizes.prod(axis=1)
    work = volumes + (2 * reach + 2).prod() * np.diff(points.starts) // 4
    parts: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
    counts = np.zeros(count, np.int64)
    first = 0
    while first < count:
        last = first + max(1, int(np.searchsorted(np.cumsum(work[first:]), 4 * _PORTION)))
        begin = np.concatenate([[0], np.cumsum(volumes[:last] * (np.arange(last) >= first))])
        voxels = np.empty(begin[-1], np.int32)
        values = np.empty((2, begin[-1]), np.float32)
        edges = np.unique(np.linspace(first, last, 4 * thread_count() + 1).astype(int))
        chunks = list(pairwise(edges.tolist()))
        run_chunks(
            fill,
            chunks,
            begin,
            _FAINT,
            *points,
            lower,
            sizes,
            table.values,
            reach,
            stack.spacing,
            shape,
            voxels,
            values,
            counts,
        )
        kept = _spans(begin[first:last], counts[first:last])
        parts.append((voxels[kept], values[:, kept]))
        first = last
        yield
    starts = np.concatenate([[0], np.cumsum(counts)])
    if not parts:
        return Columns(starts, np.empty(0, np.int32), np.empty((2, 0), np.float32))
    voxels = np.concatenate([part for part, _ in parts])
    return Columns(starts, voxels, np.concatenate([part for _, part in parts], axis=1))


def products(
    columns: Columns, weights: NDArray[np.float32]
) -> Generator[None, None, tuple[Any, Any]]:
    """Return the weighted products of all pairs of columns; yields often.

    Parameters
    ----------
    columns
        (voxels, N).
    weights
        (2, voxels) of the first and of the second values.

    Returns
    -------
    csr_matrix, csr_matrix
        (N, N) symmetric float32, of the first and of the second values.
    """
    from scipy.sparse import csc_matrix, csr_matrix

    from napari_deltamic.fitting.column_kernels import upper_products

    count, entries = len(columns.starts) - 1, len(columns.voxels)
    shape = weights.shape[1], count
    rows = csc_matrix(
        (np.arange(entries, dtype=np.int32), columns.voxels, columns.starts), shape
    ).tocsr()
    yield
    found, counts = [], np.zeros(count, np.int64)
    first, room = 0, _PRODUCTS
    while first < count:
        last = min(first + _COLUMNS * thread_count(), count)
        edges = np.unique(np.linspace(first, last, thread_count() + 1).astype(int))
        spans = list(pairwise(edges.tolist()))
        capacity = room * max(b - a for a, b in spans)
        others = np.empty((len(spans), capacity), np.int32)
        sums = np.empty((len(spans), 2, capacity), np.float32)
        run_chunks(
            upper_products,
            [(a, b, slot) for slot, (a, b) in enumerate(spans)],
            capacity,
            columns.starts,
            columns.voxels,
            columns.values,
            rows.indptr.astype(np.int64),
            rows.indices,
            rows.data,
            weights,
            others,
            sums,
            counts,
        )
        if (counts[first:last] < 0).any():
            room *= 2
            continue
        for slot, (a, b) in enumerate(spans):
            size = int(counts[a:b].sum())
            found.append((others[slot, :size].copy(), sums[slot, :, :size].copy()))
        first = last
        yield
    starts = np.concatenate([[0], np.cumsum(counts)])
    others = np.concatenate([part for part, _ in found])
    both = []
    for which in range(2):
        values = np.concatenate([part[which] for _, part in found])
        upper = csr_matrix((values, others, starts), shape=(count, count))
        below = upper.T.tocsr()
        below.setdiag(0.0)
        both.append((upper + below).tocsr())
        yield
    return both[0], both[1]


def _spans(begin: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices begin[0], begin[0] + 1, ... of each span, one span after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(begin - (ends - counts), counts))
