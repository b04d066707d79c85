"""What computes the transform: the seam between the autograd function and the kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.lit_mesh import LitMesh, check_values

Result = TypeVar("Result")

BACKENDS = ("auto", "cpu", "cuda")


Wants = tuple[bool, bool, bool]
"""Whether the gradients in vertices, membrane and jump are asked for."""

Gradients = tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]
"""In vertices, membrane and jump, each if it was asked for."""


class Backend(Protocol):
    """A transform of meshes in one box and band; what it returns lies where the vertices do."""

    def forward(self, mesh: LitMesh) -> tuple[torch.Tensor, Any]:
        """Return the complex modes, and what :meth:`backward` needs of the mesh.

        Raises a ValueError if an index is of no vertex, a number is not finite or a face too large.
        """
        ...

    def backward(self, cotangent: torch.Tensor, kept: Any, wants: Wants) -> Gradients:
        """Return the gradients of Re sum(conj(cotangent) * modes)."""
        ...


class CpuBackend:
    """The numba kernels, behind torch tensors; one transform per precision, made when needed."""

    def __init__(
        self, lengths: NDArray[np.float64], band: tuple[int, int, int], tolerance: float
    ) -> None:
        self._arguments = lengths, band, tolerance
        self._transforms: dict[torch.dtype, Any] = {}

    def forward(self, mesh: LitMesh) -> tuple[torch.Tensor, Any]:
        """See :class:`Backend`."""
        check_values(mesh)
        transform = self._transform(mesh.vertices.dtype)
        arrays = _as_numpy(mesh)
        cut = transform.cut(*arrays[:2])
        modes = torch.from_numpy(transform.forward(*arrays, cut))
        return modes.to(mesh.vertices.device), (mesh.vertices, arrays, cut)

    def backward(self, cotangent: torch.Tensor, kept: Any, wants: Wants) -> Gradients:
        """See :class:`Backend`."""
        vertices, arrays, cut = kept
        transform = self._transform(vertices.dtype)
        found = transform.backward(cotangent.resolve_conj().cpu().numpy(), *arrays, wants, cut)
        by_vertex, by_membrane, by_jump = (
            None if part is None else torch.from_numpy(part).to(vertices) for part in found
        )
        return by_vertex, by_membrane, by_jump

    def _transform(self, dtype: torch.dtype) -> Any:
        from napari_deltamic.meshft.cpu import CpuTransform

        if dtype not in self._transforms:
            name = str(dtype).removeprefix("torch.")
            self._transforms[dtype] = CpuTransform(*self._arguments, name)
        return self._transforms[dtype]


class Choice(NamedTuple):
    """A backend, not yet made for a box and a band."""

    make: Callable[..., Backend]
    """Takes lengths, band and tolerance."""
    reason: str
    """A sentence: which device computes, and why."""
    device: torch.device
    """Where tensors are used without a copy."""


def choose_backend(name: str, device: torch.device | str | None = None) -> Choice:
    """Choose what computes the transform.

    Parameters
    ----------
    name
        "cpu" and "cuda" insist; "auto" takes CUDA where it works.
    device
        Torch device to compute on; by default the current one of its kind.

    Raises
    ------
    ValueError
        If the name is none of these, the device is unknown or of another kind, or CUDA is insisted
        on and does not work; the message says why not.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend: expected one of {BACKENDS}, got {name!r}")
    place = _checked_device(name, device)
    if place == "cpu" or name == "cpu":
        return Choice(CpuBackend, "CPU: asked for", torch.device("cpu"))
    from napari_deltamic.meshft.cuda.availability import cuda_name, cuda_obstacle

    obstacle = cuda_obstacle()
    if obstacle and (name == "cuda" or place is not None):
        raise ValueError(
            f"backend: CUDA cannot be used here: {obstacle}; mend it, or use "
            "backend='auto' or 'cpu'"
        )
    if obstacle:
        return Choice(CpuBackend, f"CPU: {obstacle}", torch.device("cpu"))
    from napari_deltamic.meshft.cuda.backend import CudaBackend

    index = None if device is None else torch.device(device).index
    chosen = torch.device("cuda", torch.cuda.current_device() if index is None else index)
    if chosen.index >= torch.cuda.device_count():
        raise ValueError(
            f"device: {device!r} is not there; the last is {torch.cuda.device_count() - 1}"
        )
    why = "asked for" if name == "cuda" or device is not None else "it works here"
    reason = f"CUDA: {why} ({cuda_name(chosen)})"
    return Choice(partial(CudaBackend, device=chosen), reason, chosen)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that the GPU's memory did not suffice."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    # cuFFT, the driver and CuPy each have words of their own for it.
    return any(words in str(error).lower() for words in ("out of memory", "alloc_failed"))


def on_gpu_or_cpu(call: Callable[[str], Result], backend: str) -> Result:
    """Return ``call(backend)``, or ``call("cpu")`` if "auto" chose a GPU with too little memory."""
    try:
        return call(backend)
    except RuntimeError as error:
        if not is_out_of_memory(error) or backend != "auto":
            raise
    release_memory()
    return call("cpu")


def release_memory() -> None:
    """Give the memory that is no longer used, the GPU's and the computer's, to other programs."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    # glibc keeps what threads have freed, and more of it after each fit.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _checked_device(name: str, device: torch.device | str | None) -> str | None:
    """Return the kind of device asked for, or None."""
    if device is None:
        return None
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise ValueError(f"device: expected a torch device such as 'cpu', got {device!r}") from None
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device: only 'cpu' and 'cuda' devices can be used, got {device!r}")
    if name != "auto" and kind != name:
        raise ValueError(f"device: {device!r} does not go with backend={name!r}; leave one out")
    return kind


def _as_numpy(mesh: LitMesh) -> tuple[NDArray[Any], ...]:
    vertices, *rest = (part.detach().cpu().numpy() for part in mesh)
    # Positions stay in float64: rounding them to the grid would cost a digit.
    parts = vertices.astype(np.float64, copy=False), *rest
    return tuple(np.ascontiguousarray(part) for part in parts)
