"""The exact transform: its divided difference against many digits, its gradients, closed forms."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from napari_deltamic.mesh.shapes import box, icosphere
from napari_deltamic.meshft import exact_transform
from napari_deltamic.meshft.exact import divided_difference

phases = st.floats(-300, 300)
gaps = st.one_of(st.just(0.0), st.floats(-16, 2).map(lambda e: 10.0**e), st.floats(-50, 50))


def difference_of_many_digits(a: float, b: float, c: float) -> complex:
    """Return the second divided difference of exp(-i t) from its definition, with 120 digits."""
    with mpmath.workdps(120):
        # Equal arguments are pulled apart by much less than float64 resolves.
        points = [mpmath.mpf(t) + n * mpmath.mpf(10) ** -40 for n, t in enumerate((a, b, c))]
        total = mpmath.mpc(0)
        for n, t in enumerate(points):
            others = [t - other for m, other in enumerate(points) if m != n]
            total += mpmath.expj(-t) / (others[0] * others[1])
        return complex(total)


@given(phases, gaps, gaps)
@example(0.0, 0.0, 0.0)
@example(2.0, 1e-9, 1e-8)
@example(2.0, 0.0, 40.0)
@example(-7.0, 0.9999999, 0.5)
@example(-7.0, 1.0000001, 0.5)
@example(250.0, 1e-12, -250.0)
def test_divided_difference_to_rounding(first: float, gap: float, other: float) -> None:
    arguments = first, first + gap, first + other
    expected = difference_of_many_digits(*arguments)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 0, 2)):
        tensors = [torch.tensor(arguments[n], dtype=torch.float64) for n in order]
        found = complex(divided_difference(*tensors))
        # An argument of 300 is itself known to 3e-14 only.
        assert abs(found - expected) <= 1e-13


def test_divided_difference_is_the_integral_over_the_triangle() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(60)
    u, v = (nodes[:, None] + 1) / 2, (nodes[None] + 1) / 2
    a, b, c = 3.0, -11.0, 17.0
    phase = a + (b - a) * u + (c - b) * u * v
    integral = np.sum(weights[:, None] * weights / 4 * u * np.exp(-1j * phase))
    found = divided_difference(*(torch.tensor(t, dtype=torch.float64) for t in (a, b, c)))
    # Hermite and Genocchi: the integral of f'' = -f over the simplex.
    assert complex(found) == pytest.approx(-integral, rel=1e-12)


def some_frequencies(count: int = 12) -> torch.Tensor:
    k = torch.from_numpy(np.random.default_rng(0).normal(scale=0.4, size=(count, 3)))
    k[0] = 0.0
    return k


def test_gradients_of_the_exact_transform() -> None:
    mesh = icosphere((0.4, -0.3, 0.8), 1.1, 0)
    rng = np.random.default_rng(2)
    vertices = torch.from_numpy(mesh.vertices + 0.1 * rng.normal(size=mesh.vertices.shape))
    membrane = torch.from_numpy(rng.uniform(0.5, 1.5, len(mesh.faces)))
    interior = torch.tensor(0.7, dtype=torch.float64)
    inputs = [tensor.requires_grad_() for tensor in (vertices, membrane, interior)]
    k = some_frequencies()
    assert torch.autograd.gradcheck(
        lambda v, c, rho: exact_transform(v, mesh.faces, c, k, rho), inputs, atol=1e-8, rtol=1e-6
    )


def test_gradient_of_a_face_without_area_is_finite() -> None:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=torch.float64)
    vertices.requires_grad_()
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    found = exact_transform(vertices, faces, 1.0, some_frequencies(), 1.0)
    torch.view_as_real(found).sum().backward()
    assert torch.isfinite(vertices.grad).all()


def test_box_interior_is_a_product_of_sincs() -> None:
    lower, upper = np.array([-1.0, 2.0, 0.5]), np.array([1.5, 3.0, 4.0])
    mesh = box(lower, upper)
    k = np.random.default_rng(3).uniform(-2, 2, (200, 3))
    k[:3] = [[0, 0, 0], [0.7, 0, 0], [1e-9, 1e-9, 0]]
    found = exact_transform(mesh.vertices, mesh.faces, 0.0, k, 1.0).numpy()
    size, centre = upper - lower, (upper + lower) / 2
    expected = np.prod(size * np.sinc(k * size), axis=1) * np.exp(-2j * np.pi * (k @ centre))
    # Near k = 0 the divergence theorem divides by k.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[3:], expected[3:], rtol=0, atol=1e-12)


def test_many_pairs_are_split_without_a_seam(monkeypatch) -> None:
    mesh = icosphere((0, 0, 0), 1.0, 1)
    k = some_frequencies(50)
    whole = exact_transform(mesh.vertices, mesh.faces, 1.0, k, 1.0)
    monkeypatch.setattr("napari_deltamic.meshft.exact._PAIRS_AT_ONCE", 7 * len(mesh.faces))
    torch.testing.assert_close(exact_transform(mesh.vertices, mesh.faces, 1.0, k, 1.0), whole)
