"""The CUDA kernels compile for the devices in use; the compiler itself needs no device."""

from __future__ import annotations

import re

import pytest

from napari_deltamic.meshft.cuda.source import (
    KERNELS,
    SPARSE,
    Module,
    direct_module,
    kernel_source,
    transform_module,
)

cuda = pytest.importorskip("cuda.core")
pathfinder = pytest.importorskip("cuda.pathfinder")
try:
    pathfinder.load_nvidia_dynamic_lib("nvrtc")
except pathfinder.DynamicLibNotFoundError:
    pytest.skip("no NVRTC to compile with", allow_module_level=True)


MODULES = [
    *(transform_module(dtype, 8, 9) for dtype in ("float32", "float64")),
    *(direct_module(dtype) for dtype in ("float32", "float64")),
    SPARSE,
]


def compiled(module: Module, architecture: str, source: str = "") -> bytes:
    options = cuda.ProgramOptions(
        arch=architecture, std="c++17", define_macro=list(module.macros) or None
    )
    source = source or kernel_source(module.purpose)
    return bytes(cuda.Program(source, "c++", options).compile("cubin").code)


def entries(cubin: bytes) -> list[str]:
    """Return what may be launched: each has a section for its arguments."""
    names = re.findall(rb"\.nv\.constant0\.(\w+)\0", cubin)
    return sorted({name.decode() for name in names})


def test_every_purpose_is_compiled() -> None:
    assert {module.purpose for module in MODULES} == set(KERNELS)


@pytest.mark.parametrize("module", MODULES, ids=str)
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_every_kernel_compiles(module: Module, architecture: str) -> None:
    assert entries(compiled(module, architecture)) == sorted(KERNELS[module.purpose])


@pytest.mark.parametrize("width", [4, 16])
def test_the_narrowest_and_the_widest_kernel_compile(width: int) -> None:
    assert compiled(transform_module("float32", width, width), "sm_90")


def test_a_mistake_is_found() -> None:
    source = kernel_source("transform")
    misspelt = source.replace("rint(", "rintt(", 1)
    assert misspelt != source
    with pytest.raises(Exception, match='"rintt" is undefined'):
        compiled(MODULES[0], "sm_90", misspelt)


def test_kernels_that_are_missing_or_too_many_are_found() -> None:
    source = kernel_source("transform").replace(" settle(", " unsettle(", 1)
    expected = {*KERNELS["transform"], "unsettle"} - {"settle"}
    assert entries(compiled(MODULES[0], "sm_90", source)) == sorted(expected)
