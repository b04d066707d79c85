"""Sparse matrices of a mesh on a CUDA device, times (V, 3) vectors, always summed in one order."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.cuda.launching import Launch


class SparseRows:
    """A square sparse matrix on a device.

    Parameters
    ----------
    matrix
        SciPy sparse matrix.
    device
        Where it is used.
    launch
        Runs the kernels of :data:`napari_deltamic.meshft.cuda.source.SPARSE`.
    """

    def __init__(self, matrix: Any, device: torch.device, launch: Launch) -> None:
        rows = matrix.tocsr()
        self._count = rows.shape[0]
        self._launch = launch
        self._rows = (
            torch.tensor(rows.indptr, dtype=torch.int64, device=device),
            torch.tensor(rows.indices, dtype=torch.int64, device=device),
            torch.tensor(rows.data, dtype=torch.float64, device=device),
        )

    def product(self, x: torch.Tensor) -> torch.Tensor:
        """Return the matrix times (V, 3) float64."""
        x = x.contiguous()
        result = torch.empty_like(x)
        self._launch("multiply_rows", self._count, *self._rows, x, result)
        return result

    def chebyshev(self, coefficients: NDArray[np.float64], x: torch.Tensor) -> torch.Tensor:
        """Return a polynomial of the matrix, whose eigenvalues lie in [-1, 1], times (V, 3).

        Parameters
        ----------
        coefficients
            At least two, of the Chebyshev polynomials.
        x
            (V, 3) float64.
        """
        even = x.contiguous().clone()
        odd = self.product(even)
        result = float(coefficients[0]) * even + float(coefficients[1]) * odd
        # Each step turns the older of the two into the next; all in one go, for they are short.
        pairs = (odd, even), (even, odd)
        steps = ((coefficient, *pairs[i % 2]) for i, coefficient in enumerate(coefficients[2:]))
        self._launch("chebyshev_step", self._count, *self._rows, result, runs=steps)
        return result
