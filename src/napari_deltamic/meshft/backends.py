"""What computes the transform: the seam between the autograd function and the kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

BACKENDS = ("auto", "cpu", "cuda")


class Backend(Protocol):
    """A transform of meshes in one box and band, on the tensors of one device.

    Shapes and units are those of :class:`napari_deltamic.meshft.cpu.CpuTransform`; membrane and
    jump may be empty, for none.
    """

    def forward(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
    ) -> torch.Tensor:
        """Return the complex modes."""
        ...

    def backward(
        self,
        cotangent: torch.Tensor,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
        wants: tuple[bool, bool, bool],
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Return the gradients in vertices, membrane and jump, each if wanted."""
        ...


class CpuBackend:
    """The numba kernels, behind torch tensors; one transform per precision, made when needed."""

    def __init__(
        self, lengths: NDArray[np.float64], band: tuple[int, int, int], tolerance: float
    ) -> None:
        self._arguments = lengths, band, tolerance
        self._transforms: dict[torch.dtype, Any] = {}

    def forward(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
    ) -> torch.Tensor:
        """See :class:`Backend`."""
        transform = self._transform(vertices.dtype)
        return torch.from_numpy(transform.forward(*_as_numpy(vertices, faces, membrane, jump)))

    def backward(
        self,
        cotangent: torch.Tensor,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
        wants: tuple[bool, bool, bool],
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """See :class:`Backend`."""
        transform = self._transform(vertices.dtype)
        mesh = _as_numpy(vertices, faces, membrane, jump)
        found = transform.backward(cotangent.resolve_conj().numpy(), *mesh, wants)
        by_vertex, by_membrane, by_jump = (
            None if part is None else torch.from_numpy(part).to(vertices.dtype) for part in found
        )
        return by_vertex, by_membrane, by_jump

    def _transform(self, dtype: torch.dtype) -> Any:
        from napari_deltamic.meshft.cpu import CpuTransform

        if dtype not in self._transforms:
            name = str(dtype).removeprefix("torch.")
            self._transforms[dtype] = CpuTransform(*self._arguments, name)
        return self._transforms[dtype]


def choose_backend(
    name: str, device: torch.device | str | None
) -> tuple[Callable[..., Backend], str]:
    """Return the backend to use and a sentence saying why.

    Raises
    ------
    ValueError
        If the name is none of "auto", "cpu", "cuda", the device is unknown to torch, or a CUDA
        device is asked for: this version has no CUDA kernels.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend: expected one of {BACKENDS}, got {name!r}")
    try:
        wants_cuda = name == "cuda" or (device is not None and torch.device(device).type != "cpu")
    except RuntimeError:
        raise ValueError(f"device: expected a torch device such as 'cpu', got {device!r}") from None
    if wants_cuda:
        raise ValueError(
            "backend: this version computes on the CPU only; use backend='cpu' or 'auto'"
        )
    reason = "asked for" if name == "cpu" else "this version computes on the CPU only"
    return CpuBackend, f"CPU: {reason}"


def _as_numpy(
    vertices: torch.Tensor, faces: torch.Tensor, membrane: torch.Tensor, jump: torch.Tensor
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    # Positions stay in float64: rounding them to the grid would cost a digit.
    return (
        np.ascontiguousarray(vertices.detach().numpy(), np.float64),
        np.ascontiguousarray(faces.numpy(), np.int64),
        np.ascontiguousarray(membrane.detach().numpy()),
        np.ascontiguousarray(jump.detach().numpy()),
    )
