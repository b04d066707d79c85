"""Runs the kernels with CuPy, on torch's tensors and torch's current stream."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from napari_deltamic.meshft.cuda.source import Module, kernel_source

_THREADS = 256
# A loop over indices needs no more blocks than keep every processor busy.
_MOST_BLOCKS = 1 << 20


class Launch(Protocol):
    """Runs the kernels of one module."""

    def __call__(
        self, name: str, count: int, *arguments: Any, runs: Iterable[tuple[Any, ...]] = ((),)
    ) -> None:
        """Run a kernel, once or several times in turn.

        Parameters
        ----------
        name
            The kernel's.
        count
            How many indices it has.
        *arguments
            What it takes after the count: contiguous tensors, for pointers, and numpy scalars of
            the kernel's own types.
        runs
            What it takes after those, for each run.
        """


def cupy_launch(device: torch.device, module: Module) -> Launch:
    """Return what runs a module's kernels on a CUDA device."""
    import cupy

    number = torch.cuda.current_device() if device.index is None else device.index
    kernels = _kernels(number, module)
    # Looking either up again would take longer than a short kernel.
    functions: dict[str, Any] = {}
    streams: dict[int, Any] = {}

    def launch(
        name: str, count: int, *arguments: Any, runs: Iterable[tuple[Any, ...]] = ((),)
    ) -> None:
        if count == 0:
            return
        blocks = min(-(-count // _THREADS), _MOST_BLOCKS)
        address = torch.cuda.current_stream(device).cuda_stream
        if address not in streams:
            streams[address] = cupy.cuda.Stream.from_external(_Stream(address))
        if name not in functions:
            functions[name] = kernels.get_function(name)
        function, shared = functions[name], (np.int64(count), *map(_packed, arguments))
        with cupy.cuda.Device(number), streams[address]:
            for run in runs:
                function((blocks,), (_THREADS,), (*shared, *map(_packed, run)))

    return launch


class _Stream(NamedTuple):
    """A stream as CUDA's libraries hand it to each other; older torch has no method for it."""

    address: int

    def __cuda_stream__(self) -> tuple[int, int]:
        version = 0
        return version, self.address


@cache
def _kernels(number: int, module: Module) -> Any:
    """Return the compiled module; CuPy keeps it on disk for the next process too."""
    import cupy

    defines = [f"-D{name}={value}" for name, value in module.macros]
    with cupy.cuda.Device(number):
        return cupy.RawModule(code=kernel_source(module.purpose), options=("-std=c++17", *defines))


def _packed(argument: Any) -> Any:
    if not isinstance(argument, torch.Tensor):
        return argument
    if not argument.is_contiguous() or argument.is_conj():
        raise AssertionError("a kernel takes only plain, contiguous tensors")
    # The address is all that it needs of one: nothing is copied.
    return np.uint64(argument.data_ptr())
