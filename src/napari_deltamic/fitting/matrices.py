"""Sparse matrices of a mesh as maps of tensors, on the device that fits."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from numpy.typing import NDArray


class Rows(Protocol):
    """A square sparse matrix on a device."""

    def product(self, x: torch.Tensor) -> torch.Tensor:
        """Return the matrix times (V, 3) float64."""

    def chebyshev(self, coefficients: NDArray[Any], x: torch.Tensor) -> torch.Tensor:
        """Return a polynomial of the matrix, whose eigenvalues lie in [-1, 1], times (V, 3)."""


def device_rows(matrix: Any, device: torch.device) -> Rows:
    """Return a square sparse matrix on a device."""
    if device.type == "cpu":
        from napari_deltamic.fitting.cpu_rows import CpuRows

        return CpuRows(matrix)
    from napari_deltamic.meshft.cuda.launching import cupy_launch
    from napari_deltamic.meshft.cuda.source import SPARSE
    from napari_deltamic.meshft.cuda.sparse_rows import SparseRows

    return SparseRows(matrix, device, cupy_launch(device, SPARSE))
