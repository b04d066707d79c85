"""The fast kernels of the CUDA backend, run on the host: exact to the tolerance, and repeatable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from cuda_on_host import (
    HARD_BOX,
    Lit,
    exact,
    hard_meshes,
    lit,
    random_cotangent,
    transform_on_host,
)
from hypothesis import given
from hypothesis import strategies as st
from meshft_cases import ISSUE_TOLERANCES, Box, boxes, closed_meshes, relative_error

from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.meshft.backends import CpuBackend
from napari_deltamic.meshft.cuda.device_transform import DeviceTransform

LABELS = ["membrane", "interior", "both"]
MESHES = hard_meshes()


def host_transform(where: Box, tolerance: float, dtype: torch.dtype) -> DeviceTransform:
    return transform_on_host(where.lengths, where.band, tolerance, dtype)


def modes_and_gradients(
    transform: DeviceTransform, mesh: Lit, cotangent: torch.Tensor
) -> list[torch.Tensor]:
    points = transform.place(mesh)
    modes = transform.forward(points)
    found = transform.backward(cotangent, points, mesh.wants)
    assert [part is not None for part in found] == list(mesh.wants)
    return [modes, *(part for part in found if part is not None)]


def on_the_cpu(
    where: Box, mesh: Lit, cotangent: torch.Tensor, tolerance: float
) -> list[torch.Tensor]:
    backend = CpuBackend(where.lengths, where.band, tolerance)
    modes, kept = backend.forward(mesh)
    found = backend.backward(cotangent, kept, mesh.wants)
    return [modes, *(part for part in found if part is not None)]


def errors(found: list[torch.Tensor], expected: list[torch.Tensor]) -> list[float]:
    return [relative_error(part, other) for part, other in zip(found, expected, strict=True)]


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@given(data=st.data(), label=st.sampled_from(LABELS), seed=st.integers(0, 99))
def test_random_closed_meshes(dtype, tolerance: float, data, label: str, seed: int) -> None:
    where = data.draw(boxes(largest_band=3))
    mesh = data.draw(closed_meshes(where.lengths))
    check(where, lit(mesh, label, dtype), tolerance, seed)


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", MESHES)
def test_hard_meshes(name: str, label: str, dtype, tolerance: float) -> None:
    check(HARD_BOX, lit(MESHES[name], label, dtype), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
def test_a_band_of_mode_zero_alone(label: str, dtype, tolerance: float) -> None:
    where = HARD_BOX._replace(band=(0, 0, 0))
    check(where, lit(MESHES["across the box's sides"], label, dtype), tolerance)


def check(where: Box, mesh: Lit, tolerance: float, seed: int = 0) -> None:
    """Compare with the exact transform and with the CPU backend."""
    cotangent = random_cotangent(where, mesh.vertices.dtype, seed)
    transform = host_transform(where, tolerance, mesh.vertices.dtype)
    found = modes_and_gradients(transform, mesh, cotangent)
    assert all(part.isfinite().all() for part in found)
    of_modes, *of_gradients = errors(found, exact(where, mesh, cotangent))
    assert of_modes <= tolerance
    # A random cotangent weighs the band's edge, where the error is largest, as much as the rest.
    assert max(of_gradients) <= 10 * tolerance
    of_modes, *of_gradients = errors(found, on_the_cpu(where, mesh, cotangent, tolerance))
    assert of_modes <= 2 * tolerance
    assert max(of_gradients) <= 10 * tolerance


def test_gradcheck() -> None:
    where = Box((8, 9, 10), (0.6, 0.5, 0.7), (2, 1, 2))
    # The interior's gradient is the true density's: the quadrature has to be good.
    transform = host_transform(where, 1e-11, torch.float64)
    body = bumpy_sphere((1.0, 4.0, 3.0), 1.4, 0.5, seed=4, subdivisions=0)
    mesh = lit(body, "both", torch.float64)
    # One interior density for all: with one a face, the interior would not be closed.
    leaves = [part.clone().requires_grad_() for part in (mesh.vertices, mesh.membrane)]
    leaves.append(torch.tensor(0.8, dtype=torch.float64, requires_grad=True))

    def modes(vertices: torch.Tensor, membrane: torch.Tensor, interior: torch.Tensor):
        jump = interior.expand(len(membrane)).contiguous()
        return OnHost.apply(transform, vertices, mesh.faces, membrane, jump)

    assert torch.autograd.gradcheck(modes, leaves, atol=1e-7, rtol=1e-6, fast_mode=True)


class OnHost(torch.autograd.Function):
    @staticmethod
    def forward(ctx, transform: DeviceTransform, *mesh: torch.Tensor):
        ctx.transform, ctx.points = transform, transform.place(Lit(*mesh))
        return transform.forward(ctx.points)

    @staticmethod
    def backward(ctx, cotangent):
        vertices, *densities = ctx.transform.backward(cotangent, ctx.points, (True,) * 3)
        return None, vertices, None, *densities


def test_twice_the_same() -> None:
    mesh = lit(MESHES["across the box's sides"], "both", torch.float32)
    cotangent = random_cotangent(HARD_BOX, torch.float32)
    transform = host_transform(HARD_BOX, 1e-5, torch.float32)
    first = modes_and_gradients(transform, mesh, cotangent)
    assert same(modes_and_gradients(transform, mesh, cotangent), first)
    other = host_transform(HARD_BOX, 1e-5, torch.float32)
    assert same(modes_and_gradients(other, mesh, cotangent), first)


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_order_of_faces_does_not_matter(dtype) -> None:
    # Masses that add without rounding: their sum is what the grids are scaled by.
    mesh = lit(box((2, 2, 2), (10, 6, 4)), "both", dtype)
    mesh = mesh._replace(
        membrane=torch.arange(12).to(dtype) + 1, jump=torch.full((12,), 0.5, dtype=dtype)
    )
    cotangent = random_cotangent(HARD_BOX, dtype)
    transform = host_transform(HARD_BOX, 1e-5, dtype)
    modes, _, by_membrane, by_jump = modes_and_gradients(transform, mesh, cotangent)
    order = torch.from_numpy(np.random.default_rng(0).permutation(12))
    mixed = Lit(mesh.vertices, *(part[order] for part in mesh[1:]))
    found = modes_and_gradients(transform, mixed, cotangent)
    assert same([found[0], *found[2:]], [modes, by_membrane[order], by_jump[order]])


@pytest.mark.parametrize("labels", [("both", "membrane"), ("membrane", "both"), ("both", "both")])
def test_a_mesh_leaves_nothing_behind(labels: tuple[str, str]) -> None:
    transform = host_transform(HARD_BOX, 1e-5, torch.float32)
    cotangent = random_cotangent(HARD_BOX, torch.float32)
    before = lit(icosphere((5, 6, 6), 3.0, 2), labels[0], torch.float32)
    modes_and_gradients(transform, before, cotangent)
    after = lit(MESHES["tiny"], labels[1], torch.float32)
    found = modes_and_gradients(transform, after, cotangent)
    fresh = host_transform(HARD_BOX, 1e-5, torch.float32)
    assert same(found, modes_and_gradients(fresh, after, cotangent))


def test_the_same_faces_with_more_vertices() -> None:
    transform = host_transform(HARD_BOX, 1e-5, torch.float32)
    cotangent = random_cotangent(HARD_BOX, torch.float32)
    mesh = lit(MESHES["tiny"], "membrane", torch.float32)
    fewer = modes_and_gradients(transform, mesh, cotangent)[1]
    unused = torch.ones(1000, 3)
    mesh = mesh._replace(vertices=torch.cat([mesh.vertices, unused]))
    more = modes_and_gradients(transform, mesh, cotangent)[1]
    assert torch.equal(more, torch.cat([fewer, 0 * unused]))


def test_two_threads_at_once() -> None:
    transform = host_transform(HARD_BOX, 1e-5, torch.float32)
    cotangent = random_cotangent(HARD_BOX, torch.float32)
    meshes = [lit(icosphere((5, 6, 6), radius, 4), "both", torch.float32) for radius in (2, 4)]
    expected = [modes_and_gradients(transform, mesh, cotangent) for mesh in meshes]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(4):
            found = pool.map(lambda mesh: modes_and_gradients(transform, mesh, cotangent), meshes)
            assert all(map(same, found, expected))


def test_faces_that_are_far_too_large_are_refused() -> None:
    transform = host_transform(HARD_BOX, 1e-5, torch.float32)
    mesh = lit(MESHES["tiny"], "membrane", torch.float32)
    with pytest.raises(ValueError, match=r"^vertices: the faces are so large .* vertices in um\?"):
        transform.place(mesh._replace(vertices=mesh.vertices * 1e6))


def test_faces_that_change_in_place_are_noticed() -> None:
    where = HARD_BOX
    mesh = lit(MESHES["across the box's sides"], "membrane", torch.float64)
    transform = host_transform(where, 1e-9, torch.float64)
    cotangent = random_cotangent(where, torch.float64, 0)
    modes_and_gradients(transform, mesh, cotangent)
    mesh.faces.copy_(mesh.faces.flip(0).roll(1, dims=1).clone())
    found = modes_and_gradients(transform, mesh, cotangent)
    anew = modes_and_gradients(host_transform(where, 1e-9, torch.float64), mesh, cotangent)
    assert max(errors(found, anew)) <= 1e-12
