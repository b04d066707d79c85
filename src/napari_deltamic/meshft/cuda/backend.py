"""The CUDA kernels as a backend of the transform."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.backends import Gradients, Wants
from napari_deltamic.meshft.cuda.device_transform import DeviceTransform
from napari_deltamic.meshft.cuda.launching import cupy_launch
from napari_deltamic.meshft.lit_mesh import LitMesh


class CudaBackend:
    """The kernels on one device; one transform per precision, made when needed.

    Tensors that lie there are used as they are; others are copied there and the results back.
    """

    def __init__(
        self,
        lengths: NDArray[np.float64],
        band: tuple[int, int, int],
        tolerance: float,
        device: torch.device,
    ) -> None:
        self._arguments = lengths, band, tolerance
        self._device = device
        self._transforms: dict[torch.dtype, DeviceTransform] = {}

    def forward(self, mesh: LitMesh) -> tuple[torch.Tensor, Any]:
        """See :class:`napari_deltamic.meshft.backends.Backend`."""
        transform = self._transform(mesh.vertices.dtype)
        points = transform.place(LitMesh(*map(self._here, mesh)))
        return transform.forward(points).to(mesh.vertices.device), (points, mesh.vertices.device)

    def backward(self, cotangent: torch.Tensor, kept: Any, wants: Wants) -> Gradients:
        """See :class:`napari_deltamic.meshft.backends.Backend`."""
        points, home = kept
        transform = self._transform(points.mesh.vertices.dtype)
        found = transform.backward(self._here(cotangent), points, wants)
        by_vertex, by_membrane, by_jump = (
            None if part is None else part.to(home) for part in found
        )
        return by_vertex, by_membrane, by_jump

    def _transform(self, dtype: torch.dtype) -> DeviceTransform:
        if dtype not in self._transforms:
            self._transforms[dtype] = DeviceTransform(
                *self._arguments, dtype, self._device, partial(cupy_launch, self._device)
            )
        return self._transforms[dtype]

    def _here(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach().resolve_conj().to(self._device).contiguous()
