"""The CUDA kernels as a backend of the transform."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.cuda.device_transform import DeviceTransform, Points
from napari_deltamic.meshft.cuda.launching import cupy_launch


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

    def forward(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
    ) -> tuple[torch.Tensor, Any]:
        """See :class:`napari_deltamic.meshft.backends.Backend`."""
        transform = self._transform(vertices.dtype)
        points = transform.place(self._here(vertices), self._here(faces).long())
        modes = transform.forward(points, self._here(membrane), self._here(jump))
        return modes.to(vertices.device), points

    def backward(
        self,
        cotangent: torch.Tensor,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
        wants: tuple[bool, bool, bool],
        kept: Points,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """See :class:`napari_deltamic.meshft.backends.Backend`."""
        transform = self._transform(vertices.dtype)
        densities = self._here(membrane), self._here(jump)
        found = transform.backward(self._here(cotangent), kept, *densities, wants)
        by_vertex, by_membrane, by_jump = (
            None if part is None else part.to(vertices.device) for part in found
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
