"""The CUDA kernels compile for the devices in use; the compiler itself needs no device."""

from __future__ import annotations

import re

import pytest

from napari_deltamic.meshft.cuda.source import KERNELS, kernel_source, macros
from napari_deltamic.meshft.simd import WIDTH

cuda = pytest.importorskip("cuda.core")
pathfinder = pytest.importorskip("cuda.pathfinder")
try:
    pathfinder.load_nvidia_dynamic_lib("nvrtc")
except pathfinder.DynamicLibNotFoundError:
    pytest.skip("no NVRTC to compile with", allow_module_level=True)


def compiled(source: str, dtype: str, architecture: str, width: int | None = None) -> bytes:
    width = width or WIDTH[dtype]
    defined = list(macros(dtype, width, width).items())
    options = cuda.ProgramOptions(arch=architecture, std="c++17", define_macro=defined)
    return bytes(cuda.Program(source, "c++", options).compile("cubin").code)


def entries(cubin: bytes) -> list[str]:
    """Return what may be launched: each has a section for its arguments."""
    names = re.findall(rb"\.nv\.constant0\.(\w+)\0", cubin)
    return sorted({name.decode() for name in names})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_every_kernel_compiles(dtype: str, architecture: str) -> None:
    assert entries(compiled(kernel_source(), dtype, architecture)) == sorted(KERNELS)


@pytest.mark.parametrize("width", [4, 16])
def test_the_narrowest_and_the_widest_kernel_compile(width: int) -> None:
    assert compiled(kernel_source(), "float32", "sm_90", width)


def test_a_mistake_is_found() -> None:
    source = kernel_source()
    misspelt = source.replace("rint(", "rintt(", 1)
    assert misspelt != source
    with pytest.raises(Exception, match='"rintt" is undefined'):
        compiled(misspelt, "float32", "sm_90")


def test_kernels_that_are_missing_or_too_many_are_found() -> None:
    source = kernel_source().replace(" settle(", " unsettle(", 1)
    expected = {*KERNELS, "unsettle"} - {"settle"}
    assert entries(compiled(source, "float32", "sm_90")) == sorted(expected)
