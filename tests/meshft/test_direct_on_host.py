"""The closed-form kernels of the CUDA backend, run on the host, against the exact transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cuda_on_host import HARD_BOX, Lit, direct_on_host, exact, hard_meshes, lit, random_cotangent
from hypothesis import assume, given
from hypothesis import strategies as st
from meshft_cases import Box, boxes, closed_meshes, relative_error

LABELS = ["membrane", "interior", "both"]
# Of values and gradients; the interior of small bodies loses digits in single precision.
PRECISIONS = [(torch.float32, 2e-6), (torch.float64, 1e-12)]
DTYPES = [dtype for dtype, _ in PRECISIONS]
MESHES = hard_meshes()


def errors(where: Box, mesh: Lit, cotangent: torch.Tensor) -> list[float]:
    """Return the relative errors of the modes and of each gradient."""
    transform = direct_on_host(where.lengths, where.band, mesh.vertices.dtype)
    gradients = transform.backward(cotangent, mesh)
    wanted = [part for part, wants in zip(gradients, mesh.wants, strict=True) if wants]
    found = [transform.forward(mesh), *wanted]
    assert all(part.isfinite().all() for part in found)
    pairs = zip(found, exact(where, mesh, cotangent), strict=True)
    return [relative_error(part, expected) for part, expected in pairs]


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@given(data=st.data(), label=st.sampled_from(LABELS), seed=st.integers(0, 99))
def test_random_closed_meshes(dtype, tolerance: float, data, label: str, seed: int) -> None:
    where = data.draw(boxes(largest_band=3))
    mesh = data.draw(closed_meshes(where.lengths))
    cotangent = random_cotangent(where, dtype, seed)
    assert max(errors(where, lit(mesh, label, dtype), cotangent)) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", MESHES)
def test_hard_meshes(name: str, label: str, dtype, tolerance: float) -> None:
    cotangent = random_cotangent(HARD_BOX, dtype)
    assert max(errors(HARD_BOX, lit(MESHES[name], label, dtype), cotangent)) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@given(st.integers(0, 2**32 - 1), st.floats(-8, 2), st.floats(-8, 2))
def test_phases_as_close_or_far_apart_as_can_be(
    dtype, tolerance: float, seed: int, one: float, other: float
) -> None:
    corner, *edges = np.random.default_rng(seed).normal(size=(3, 3))
    vertices = corner + np.array([0 * corner, 10**one * edges[0], 10**other * edges[1]])
    membrane, none = torch.ones(1, dtype=dtype), torch.zeros(0, dtype=dtype)
    face = Lit(torch.from_numpy(vertices).to(dtype), torch.arange(3)[None], membrane, none)
    # A face that single precision has rounded to a line has no area's slope to compare.
    assume(exact_area(face) > 1e-3 * 10 ** (one + other) * np.linalg.norm(np.cross(*edges)))
    # The energy's cotangent: a random one might leave hardly any gradient in one face's density.
    modes = direct_on_host(HARD_BOX.lengths, HARD_BOX.band, dtype).forward(face)
    assert max(errors(HARD_BOX, face, modes)) <= tolerance


def exact_area(face: Lit) -> float:
    v0, v1, v2 = face.vertices.double()
    return float(torch.linalg.cross(v1 - v0, v2 - v0).norm()) / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_mode_zero_is_the_mass(dtype) -> None:
    mesh = lit(MESHES["across the box's sides"], "both", dtype)
    where = HARD_BOX._replace(band=(0, 0, 0))
    (mass,) = direct_on_host(where.lengths, where.band, dtype).forward(mesh).ravel()
    body = MESHES["across the box's sides"]
    areas = torch.from_numpy(body.face_normals_and_areas()[1])
    expected = (mesh.membrane.double() @ areas) + float(mesh.jump[0]) * body.volumes()[0]
    assert mass.imag == 0
    assert float(mass.real) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_twice_the_same_whatever_the_layout(dtype) -> None:
    transform = direct_on_host(HARD_BOX.lengths, HARD_BOX.band, dtype)
    mesh = lit(MESHES["tiny"], "both", dtype)
    cotangent = random_cotangent(HARD_BOX, dtype)
    one = transform.forward(mesh), *transform.backward(cotangent, mesh)
    # A number for all faces comes as a view of one, and a loss may hand back a view too.
    spread = mesh._replace(vertices=mesh.vertices.T.contiguous().T, jump=mesh.jump[:1].expand(80))
    cotangent = cotangent.conj().resolve_conj().conj()
    other = transform.forward(spread), *transform.backward(cotangent, spread)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
