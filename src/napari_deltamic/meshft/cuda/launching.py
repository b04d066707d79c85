"""Runs the kernels with CuPy, on torch's tensors and torch's current stream."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from napari_deltamic.meshft.cuda.device_transform import Launch
from napari_deltamic.meshft.cuda.source import kernel_source, macros
from napari_deltamic.meshft.simd import WIDTH

_THREADS = 256
# A loop over indices needs no more blocks than keep every processor busy.
_MOST_BLOCKS = 1 << 20


def cupy_launch(device: torch.device, dtype: str, width: int, terms: int) -> Launch:
    """Return what runs the kernels on a CUDA device; see :data:`Launch`."""
    import cupy

    number = torch.cuda.current_device() if device.index is None else device.index
    kernels = _kernels(number, dtype, width, terms)
    # Looking either up again would take longer than a short kernel.
    functions: dict[str, Any] = {}
    streams: dict[int, Any] = {}

    def launch(name: str, count: int, *arguments: Any) -> None:
        if count == 0:
            return
        blocks = min(-(-count // _THREADS), _MOST_BLOCKS)
        address = torch.cuda.current_stream(device).cuda_stream
        if address not in streams:
            streams[address] = cupy.cuda.Stream.from_external(_Stream(address))
        if name not in functions:
            functions[name] = kernels.get_function(name)
        packed = (np.int64(count), *(_packed(argument) for argument in arguments))
        with cupy.cuda.Device(number), streams[address]:
            functions[name]((blocks,), (_THREADS,), packed)

    return launch


def common_launch(device: torch.device) -> Launch:
    """Return what runs the kernels that do not depend on the transform's precision."""
    width = WIDTH["float32"]
    return cupy_launch(device, "float32", width, width)


class _Stream(NamedTuple):
    """A stream as CUDA's libraries hand it to each other; older torch has no method for it."""

    address: int

    def __cuda_stream__(self) -> tuple[int, int]:
        version = 0
        return version, self.address


@cache
def _kernels(number: int, dtype: str, width: int, terms: int) -> Any:
    """Return the compiled module; CuPy keeps it on disk for the next process too."""
    import cupy

    defines = [f"-D{name}={value}" for name, value in macros(dtype, width, terms).items()]
    with cupy.cuda.Device(number):
        return cupy.RawModule(code=kernel_source(), options=("-std=c++17", *defines))


def _packed(argument: Any) -> Any:
    if not isinstance(argument, torch.Tensor):
        return argument
    if not argument.is_contiguous() or argument.is_conj():
        raise AssertionError("a kernel takes only plain, contiguous tensors")
    # The address is all that it needs of one: nothing is copied.
    return np.uint64(argument.data_ptr())
