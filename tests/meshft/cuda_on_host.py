"""The CUDA kernels, compiled for the host and run on torch's CPU tensors; and what tests them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from meshft_cases import Box, densities

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.meshft import exact_transform
from napari_deltamic.meshft.checks import per_face
from napari_deltamic.meshft.cuda.device_transform import DeviceTransform, Launch
from napari_deltamic.meshft.cuda.direct_transform import DirectTransform
from napari_deltamic.meshft.cuda.source import kernel_source, macros
from napari_deltamic.meshft.simd import WIDTH

_STAND_IN = Path(__file__).with_name("cuda_stand_in.h")
# Removed when the interpreter ends.
_FOLDER = tempfile.TemporaryDirectory(prefix="cuda-on-host-")
_SCALARS = {np.int32: ctypes.c_int, np.int64: ctypes.c_longlong, np.float64: ctypes.c_double}


@cache
def library(dtype: str, width: int, terms: int) -> ctypes.CDLL:
    """Return the built kernels; once a session for each precision and number of terms."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler to build the CUDA kernels with")
    source, built = (
        Path(_FOLDER.name) / f"{dtype}-{width}-{terms}{ending}" for ending in (".cpp", ".so")
    )
    source.write_text(f'#include "{_STAND_IN}"\n{kernel_source()}', encoding="utf-8")
    defines = [f"-D{name}={value}" for name, value in macros(dtype, width, terms).items()]
    flags = ["-std=c++17", "-O2", "-march=native", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    command = [compiler, *flags, "-shared", "-fPIC", *defines, str(source), "-o", str(built)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(built))


def make_launch(dtype: str, width: int, terms: int) -> Launch:
    """Return what runs the kernels of one precision, one index after the other."""
    built = library(dtype, width, terms)

    def launch(name: str, count: int, *arguments: Any) -> None:
        getattr(built, name)(ctypes.c_longlong(count), *map(_as_c, arguments))

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
    name = str(dtype).removeprefix("torch.")
    # Its kernels have no spreading: any number of terms will do.
    launch = make_launch(name, WIDTH[name], WIDTH[name])
    return DirectTransform(np.asarray(lengths, float), band, dtype, torch.device("cpu"), launch)


class Lit(NamedTuple):
    """A mesh and its densities as a backend takes them; (0,) for a density that it has not."""

    vertices: torch.Tensor
    faces: torch.Tensor
    membrane: torch.Tensor
    jump: torch.Tensor

    @property
    def wants(self) -> tuple[bool, bool, bool]:
        return True, len(self.membrane) > 0, len(self.jump) > 0


def lit(mesh: TriangleMesh, label: str, dtype: torch.dtype) -> Lit:
    vertices, faces = (
        torch.from_numpy(np.array(part, order="C")) for part in (mesh.vertices, mesh.faces)
    )
    vertices = vertices.to(dtype)
    parts = (
        per_face("density", density, len(mesh.faces), vertices).contiguous()
        for density in densities(label, mesh, dtype)
    )
    return Lit(vertices, faces, *parts)


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
