"""Sparse matrices of a mesh as maps of tensors, on the device that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from napari_deltamic.meshft.cuda.sparse_rows import SparseRows


def product(matrix: Any, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the map x -> matrix @ x for (V, 3) float64 tensors of a device."""
    if device.type == "cpu":
        rows = matrix.tocsr()
        return lambda x: torch.from_numpy(rows @ x.numpy())
    return device_rows(matrix, device).product


def device_rows(matrix: Any, device: torch.device) -> SparseRows:
    """Return a sparse matrix on a CUDA device."""
    from napari_deltamic.meshft.cuda.launching import cupy_launch
    from napari_deltamic.meshft.cuda.source import SPARSE
    from napari_deltamic.meshft.cuda.sparse_rows import SparseRows

    return SparseRows(matrix, device, cupy_launch(device, SPARSE))
