"""Whether CUDA works here, and if not, why, in a sentence a user can act on."""

from __future__ import annotations

from functools import cache

import torch


def cuda_obstacle() -> str:
    """Return what keeps CUDA from working on this machine; empty if nothing does."""
    return _obstacle(torch.version.cuda)


@cache
def _obstacle(version: str | None) -> str:
    if version is None:
        return "torch was installed without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f"torch finds no CUDA device it can use ({_first_line(error)})"
    try:
        import cupy
    except ImportError as error:
        return (
            "CuPy is not installed, or not for this CUDA version "
            f"({_first_line(error)}); install napari-deltamic[gpu] or [gpu13]"
        )
    try:
        # One kernel from source to result: the compiler, the driver and the device all have a say.
        one = cupy.RawKernel('extern "C" __global__ void one(int* x) { *x = 1; }', "one")
        value = cupy.zeros(1, cupy.int32)
        one((1,), (1,), (value,))
        if int(value[0]) != 1:
            return "a trial kernel gave a wrong result"
        # Torch's own kernels may lack a device that the compiler still knows.
        torch.fft.rfftn(torch.ones(4, 4, 4, device="cuda")).sum().item()
    except Exception as error:  # CuPy, NVRTC and the driver each raise their own.
        return f"a trial kernel failed ({_first_line(error)})"
    return ""


def cuda_name(device: torch.device) -> str:
    """Return the device's name and memory."""
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
