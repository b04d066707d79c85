"""The gradients: against finite differences in float64, and against the exact transform's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from meshft_cases import Box, boxes, closed_meshes, densities, relative_error

from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.meshft import exact_transform

SMALL = Box((8, 9, 10), (0.6, 0.5, 0.7), (2, 1, 2))


def crumpled() -> tuple[torch.Tensor, torch.Tensor]:
    mesh = icosphere((1.0, 4.0, 3.0), 1.4, 0)
    moved = mesh.vertices + 0.15 * np.random.default_rng(4).normal(size=mesh.vertices.shape)
    return torch.from_numpy(moved), torch.from_numpy(np.array(mesh.faces))


def check(function, *inputs: torch.Tensor) -> bool:
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    return torch.autograd.gradcheck(function, leaves, atol=1e-7, rtol=1e-6, fast_mode=False)


def test_gradcheck_of_vertices_and_membrane() -> None:
    vertices, faces = crumpled()
    transform = SMALL.transform(1e-9)
    membrane = torch.linspace(0.5, 1.5, len(faces), dtype=torch.float64)
    assert check(lambda v, c: transform(v, faces, c), vertices, membrane)


def test_gradcheck_of_vertices_and_interior() -> None:
    vertices, faces = crumpled()
    # Hadamard's formula is the true density's gradient: the quadrature has to be good.
    transform = SMALL.transform(1e-11)
    jump = torch.tensor(0.8, dtype=torch.float64)
    assert check(lambda v, rho: transform(v, faces, 0.0, rho), vertices, jump)


def test_gradcheck_of_all_together() -> None:
    vertices, faces = crumpled()
    transform = SMALL.transform(1e-11)
    membrane = torch.linspace(0.5, 1.5, len(faces), dtype=torch.float64)
    jump = torch.tensor(-0.8, dtype=torch.float64)
    assert check(lambda v, c, rho: transform(v, faces, c, rho), vertices, membrane, jump)


def test_gradcheck_of_one_interior_density_a_face() -> None:
    vertices, faces = crumpled()
    transform = SMALL.transform(1e-9)
    jump = torch.linspace(-1, 1, len(faces), dtype=torch.float64)
    assert check(lambda rho: transform(vertices, faces, 0.5, rho), jump)


def test_gradcheck_with_two_regions_that_share_a_face() -> None:
    left, right = box((1, 1, 1), (3, 3, 3)), box((1, 1, 3), (3, 3, 4.5))
    vertices = np.unique(np.concatenate([left.vertices, right.vertices]), axis=0)
    faces, jump = [], []
    for mesh, density in ((left, 1.0), (right, 0.4)):
        for face in mesh.faces:
            ids = [int(np.flatnonzero((vertices == mesh.vertices[v]).all(axis=1))[0]) for v in face]
            if mesh is right and (mesh.vertices[face][:, 2] == 3).all():
                continue
            faces.append(ids)
            shared = mesh is left and (mesh.vertices[face][:, 2] == 3).all()
            jump.append(density - 0.4 * shared)
    rho = torch.tensor(jump, dtype=torch.float64)
    transform = SMALL.transform(1e-11)
    assert check(lambda v: transform(v, np.array(faces), 1.0, rho), torch.from_numpy(vertices))


def gradients(function, vertices, membrane, interior, cotangent) -> list[torch.Tensor]:
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (vertices, membrane, interior)]
    modes = function(*leaves)
    (modes * cotangent.to(modes.dtype)).real.sum().backward()
    return [leaf.grad.double() for leaf in leaves]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
@given(data=st.data())
def test_gradients_agree_with_the_exact_ones(dtype, tolerance: float, data) -> None:
    where = data.draw(boxes(largest_band=5))
    mesh = data.draw(closed_meshes(where.lengths))
    transform = where.transform(tolerance)
    vertices = torch.from_numpy(np.array(mesh.vertices)).to(dtype)
    membrane, interior = densities("both", mesh, dtype)
    interior = torch.tensor(interior, dtype=dtype)
    frequencies = transform.frequencies()
    # What a fit's loss hands back: the misfit to another mesh.
    other = vertices * 1.02 + 0.05 * torch.from_numpy(where.lengths).to(dtype)
    target = exact_transform(other, mesh.faces, membrane, frequencies.reshape(-1, 3), interior)
    cotangent = target.reshape(frequencies.shape[:-1]).conj()

    found = gradients(
        lambda v, c, rho: transform(v, mesh.faces, c, rho), vertices, membrane, interior, cotangent
    )
    expected = gradients(
        lambda v, c, rho: exact_transform(v, mesh.faces, c, frequencies.reshape(-1, 3), rho),
        vertices.double(),
        membrane.double(),
        interior.double(),
        cotangent.reshape(-1),
    )
    scale = cotangent.norm() * target.norm()
    for name, one, exact in zip(("vertices", "membrane", "interior"), found, expected, strict=True):
        # A gradient may vanish; its error is then small against what moves the loss by its size.
        floor = {"vertices": scale / where.lengths.max(), "membrane": 0.0, "interior": 0.0}[name]
        error = (one - exact).norm()
        assert error <= 10 * tolerance * max(exact.norm(), 1e-2 * floor), name


def test_faces_without_area_give_finite_gradients() -> None:
    mesh = icosphere((2, 2, 2), 1.0, 1)
    vertices = torch.from_numpy(np.array(mesh.vertices))
    vertices[mesh.faces[0, 1]] = vertices[mesh.faces[0, 0]]
    vertices.requires_grad_()
    membrane = torch.ones(len(mesh.faces), dtype=torch.float64, requires_grad=True)
    transform = SMALL.transform(1e-9)
    transform(vertices, mesh.faces, membrane, 1.0).abs().square().sum().backward()
    frequencies = transform.frequencies().reshape(-1, 3)
    assert torch.isfinite(vertices.grad).all()
    found, vertices.grad, membrane.grad = vertices.grad, None, None
    exact = exact_transform(vertices, mesh.faces, membrane, frequencies, 1.0)
    exact.abs().square().sum().backward()
    assert relative_error(found, vertices.grad) <= 1e-7


def test_what_needs_no_gradient_gets_none() -> None:
    mesh = bumpy_sphere((2, 2, 2), 1.0, 0.4, subdivisions=1)
    vertices = torch.from_numpy(np.array(mesh.vertices))
    membrane = torch.ones(len(mesh.faces), dtype=torch.float64, requires_grad=True)
    modes = SMALL.transform(1e-9)(vertices, mesh.faces, membrane, 1.0)
    modes.abs().square().sum().backward()
    assert vertices.grad is None
    assert membrane.grad.abs().sum() > 0


@pytest.mark.parametrize("part", ["real", "imag", "conj", "abs"])
def test_any_kind_of_cotangent(part: str) -> None:
    vertices, faces = crumpled()
    transform = SMALL.transform(1e-9)
    loss = {
        "real": lambda modes: modes.real.sum(),
        "imag": lambda modes: modes.conj().imag.sum(),
        "conj": lambda modes: (modes.conj() * (1 + 2j)).imag.sum(),
        "abs": lambda modes: modes[1:, :, ::2].abs().sum(),
    }[part]
    assert check(lambda v: loss(transform(v, faces, 1.0)), vertices)


def test_a_mesh_that_was_changed_in_between_is_refused() -> None:
    # The backward pass uses what the forward pass found out about the mesh.
    vertices, faces = crumpled()
    moved = vertices.requires_grad_() * 1.0
    loss = SMALL.transform(1e-9)(moved, faces, 1.0).abs().sum()
    with torch.no_grad():
        moved += 0.1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
