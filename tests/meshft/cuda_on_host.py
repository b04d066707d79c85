"""The CUDA kernels, compiled for the host and run on torch's CPU tensors; and what tests them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from meshft_cases import Box, densities

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.meshft import exact_transform
from napari_deltamic.meshft.cuda.device_transform import DeviceTransform
from napari_deltamic.meshft.cuda.direct_transform import DirectTransform
from napari_deltamic.meshft.cuda.launching import Launch
from napari_deltamic.meshft.cuda.source import Module, kernel_source
from napari_deltamic.meshft.lit_mesh import LitMesh, lit_mesh

_STAND_IN = Path(__file__).with_name("cuda_stand_in.h")
# Removed when the interpreter ends.
_FOLDER = tempfile.TemporaryDirectory(prefix="cuda-on-host-")
_SCALARS = {np.int32: ctypes.c_int, np.int64: ctypes.c_longlong, np.float64: ctypes.c_double}


@cache
def library(module: Module) -> ctypes.CDLL:
    """Return the built kernels; once a session for each module."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler to build the CUDA kernels with")
    name = "-".join((module.purpose, *(value for _, value in module.macros)))
    source, built = (Path(_FOLDER.name) / f"{name}{ending}" for ending in (".cpp", ".so"))
    source.write_text(f'#include "{_STAND_IN}"\n{kernel_source(module.purpose)}', encoding="utf-8")
    defines = [f"-D{name}={value}" for name, value in module.macros]
    flags = ["-std=c++17", "-O2", "-march=native", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    command = [compiler, *flags, "-shared", "-fPIC", *defines, str(source), "-o", str(built)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(built))


def make_launch(module: Module) -> Launch:
    """Return what runs the kernels of a module, one index after the other."""
    built = library(module)

    def launch(
        name: str, count: int, *arguments: Any, runs: Iterable[tuple[Any, ...]] = ((),)
    ) -> None:
        for run in runs:
            getattr(built, name)(ctypes.c_longlong(count), *map(_as_c, (*arguments, *run)))

    return launch


def _as_c(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        assert value.is_contiguous()
        assert not value.is_conj()
        return ctypes.c_void_p(value.data_ptr())
    return _SCALARS[type(value)](value.item())


def transform_on_host(
    lengths: Any, band: tuple[int, int, int], tolerance: float, dtype: torch.dtype
) -> DeviceTransform:
    """Return the fast transform of the CUDA backend, on the host."""
    device = torch.device("cpu")
    return DeviceTransform(np.asarray(lengths, float), band, tolerance, dtype, device, make_launch)


def direct_on_host(lengths: Any, band: tuple[int, int, int], dtype: torch.dtype) -> DirectTransform:
    """Return the closed-form transform of the CUDA backend, on the host."""
    device = torch.device("cpu")
    return DirectTransform(np.asarray(lengths, float), band, dtype, device, make_launch)


class Lit(LitMesh):
    @property
    def wants(self) -> tuple[bool, bool, bool]:
        return True, len(self.membrane) > 0, len(self.jump) > 0


def lit(mesh: TriangleMesh, label: str, dtype: torch.dtype) -> Lit:
    vertices = torch.tensor(mesh.vertices, dtype=dtype)
    parts = lit_mesh(vertices, mesh.faces, *densities(label, mesh, dtype))
    return Lit(*(part.contiguous() for part in parts))


def random_cotangent(where: Box, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    size = *(2 * k + 1 for k in where.band[:2]), where.band[2] + 1
    parts = np.random.default_rng(seed).normal(size=(2, *size))
    return torch.from_numpy(parts[0] + 1j * parts[1]).to(dtype.to_complex())


def exact(where: Box, mesh: Lit, cotangent: torch.Tensor) -> list[torch.Tensor]:
    """Return the modes and the gradients in what the mesh has, in float64, by torch's own rules."""
    leaves = [part.detach().double().clone() for part in (mesh.vertices, *mesh[2:])]
    leaves = [leaf.requires_grad_() for leaf in leaves if len(leaf)]
    rest = iter(leaves[1:])
    membrane, jump = (next(rest) if len(part) else torch.zeros(()) for part in mesh[2:])
    frequencies = where.transform(1e-2).frequencies().reshape(-1, 3)
    modes = exact_transform(leaves[0], mesh.faces, membrane, frequencies, jump)
    modes = modes.reshape(cotangent.shape)
    return [modes.detach(), *torch.autograd.grad(modes, leaves, cotangent.to(modes.dtype))]


HARD_BOX = Box((24, 20, 30), (0.5, 0.7, 0.4), (4, 3, 4))


def hard_meshes() -> dict[str, TriangleMesh]:
    """Return closed meshes in :data:`HARD_BOX` that a careless transform would fail on."""
    block, sphere = box((2, 2, 2), (9, 8, 10)), icosphere((5, 6, 6), 3.0, 1)

    def split(part: float, chosen: np.ndarray, *more: list[int]) -> TriangleMesh:
        """Cut the chosen faces at a point on the edge from vertex 0 to 1."""
        new = block.vertices[0] + part * (block.vertices[1] - block.vertices[0])
        faces = block.faces[chosen]
        halves = [np.where(faces == end, 8, faces) for end in (0, 1)]
        parts = [block.faces[~chosen], *halves, *([face] for face in more)]
        return TriangleMesh(np.concatenate([block.vertices, [new]]), np.concatenate(parts))

    collapsed = sphere.vertices.copy()
    collapsed[sphere.faces[0, 1]] = collapsed[sphere.faces[0, 0]]
    corners = np.concatenate([np.zeros((1, 3)), np.diag(HARD_BOX.lengths)])
    beside = np.isin(block.faces, (0, 1)).sum(axis=1) == 2
    return {
        "slivers": split(1e-6, beside),
        # The slit between the two halves and the face that was not cut is a face without area.
        "no area, three points": split(0.5, np.arange(12) == 0, [0, 1, 8]),
        "no area, two points": sphere.with_vertices(collapsed),
        "as large as the box": TriangleMesh(
            corners + 0.3, [[0, 2, 1], [0, 3, 2], [0, 1, 3], [1, 2, 3]]
        ),
        "on the box's sides": box((0, 0, 0), HARD_BOX.lengths),
        "across the box's sides": bumpy_sphere((0.2, 13.5, 0), 3.0, 0.5, seed=1, subdivisions=1),
        "far outside": bumpy_sphere((-113.0, 47.0, 215.0), 3.0, 0.5, seed=2, subdivisions=1),
        "tiny": bumpy_sphere((5, 6, 6), 0.2, 0.5, seed=3, subdivisions=1),
    }
