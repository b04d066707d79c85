"""Sparse matrices times (V, 3) vectors on the CPU, rows shared out among threads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks, thread_count

# Rows that are worth a thread of their own.
_ROWS = 4000


class CpuRows:
    """A square sparse matrix; see :class:`~napari_deltamic.meshft.cuda.sparse_rows.SparseRows`.

    Every row is summed in one order, so the result does not depend on the number of threads.
    """

    def __init__(self, matrix: Any) -> None:
        rows = matrix.tocsr()
        self._rows = (
            rows.indptr.astype(np.int64),
            rows.indices.astype(np.int32),
            rows.data.astype(np.float64),
        )
        count = rows.shape[0]
        parts = min(thread_count(), max(1, count // _ROWS))
        ends = np.linspace(0, count, parts + 1).astype(int)
        self._chunks = list(pairwise(ends.tolist()))

    def product(self, x: torch.Tensor) -> torch.Tensor:
        """Return the matrix times (V, 3) float64."""
        values = np.ascontiguousarray(x.numpy())
        result = np.empty_like(values)
        run_chunks(_multiply, self._chunks, *self._rows, values, result)
        return torch.from_numpy(result)

    def chebyshev(self, coefficients: NDArray[np.float64], x: torch.Tensor) -> torch.Tensor:
        """Return a polynomial of the matrix, whose eigenvalues lie in [-1, 1], times (V, 3).

        Parameters
        ----------
        coefficients
            At least two, of the Chebyshev polynomials.
        x
            (V, 3) float64.
        """
        even = np.array(x.numpy(), order="C")
        odd = self.product(x).numpy()
        result = coefficients[0] * even + coefficients[1] * odd
        for coefficient in coefficients[2:]:
            # The older of the two becomes the next.
            run_chunks(_next, self._chunks, *self._rows, float(coefficient), odd, even, result)
            even, odd = odd, even
        return torch.from_numpy(result)


@njit(cache=True, nogil=True)
def _multiply(first, last, starts, columns, values, x, result):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        z, y, w = 0.0, 0.0, 0.0
        for entry in range(starts[row], starts[row + 1]):
            column, value = columns[entry], values[entry]
            z += value * x[column, 0]
            y += value * x[column, 1]
            w += value * x[column, 2]
        result[row, 0], result[row, 1], result[row, 2] = z, y, w


@njit(cache=True, nogil=True)
def _next(  # type: ignore[no-untyped-def]
    first, last, starts, columns, values, coefficient, x, before, result
):
    """Turn ``before`` into 2 A x - before, and add it times its coefficient."""
    for row in range(first, last):
        z, y, w = -before[row, 0], -before[row, 1], -before[row, 2]
        for entry in range(starts[row], starts[row + 1]):
            column, value = columns[entry], 2.0 * values[entry]
            z += value * x[column, 0]
            y += value * x[column, 1]
            w += value * x[column, 2]
        before[row, 0], before[row, 1], before[row, 2] = z, y, w
        result[row, 0] += coefficient * z
        result[row, 1] += coefficient * y
        result[row, 2] += coefficient * w
