"""Bessel functions, Zernike polynomials, quadrature and interpolation."""

import numpy as np
import pytest
import torch
from scipy import special

from napari_deltamic.optics.diffraction.bessel import bessel
from napari_deltamic.optics.diffraction.disc import radii, rows
from napari_deltamic.optics.diffraction.interpolation import interpolated
from napari_deltamic.optics.diffraction.layout import stepped
from napari_deltamic.optics.diffraction.zernike import degrees_of, zernike
from napari_deltamic.optics.sampled_transform import product_axes, transform_of_samples


@pytest.mark.parametrize("order", [0, 1, 2])
def test_bessel_functions_and_their_slopes(order):
    x = torch.cat([torch.linspace(0, 60, 101), torch.tensor([1e-8, 9e-4, 1.1e-3])]).double()
    np.testing.assert_allclose(bessel(order, x).numpy(), special.jv(order, x.numpy()), atol=5e-7)
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(bessel(order, x).sum(), x)
    np.testing.assert_allclose(slope.numpy(), special.jvp(order, x.detach().numpy()), atol=5e-7)
    x = torch.tensor([0.3, 2.0, 17.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: bessel(order, x), x, check_forward_ad=True)


def test_noll_indices():
    first = [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2), (3, -1), (3, 1), (3, -3), (3, 3)]
    known = dict(enumerate([*first, (4, 0), (4, 2), (4, -2)], start=1)) | {22: (6, 0)}
    assert {noll: degrees_of(noll) for noll in known} == known
    with pytest.raises(ValueError, match="noll"):
        degrees_of(0)


def test_zernike_polynomials_are_orthonormal():
    rule = rows(24)
    v = rule.v[:, None].expand_as(rule.u)
    values = torch.stack([zernike(noll, v, rule.u).ravel() for noll in range(1, 37)])
    gram = (values * rule.weights.ravel() / torch.pi) @ values.T
    torch.testing.assert_close(gram, torch.eye(36, dtype=torch.float64), rtol=0, atol=1e-9)


def test_rules_over_the_disc_are_exact_for_what_optics_has():
    """Also for a root at the rim: the integral of sqrt(1 - rho^2) is 2 pi / 3."""
    along, across = radii(16), rows(16)
    rho = torch.hypot(across.v[:, None], across.u)
    for weights, distance in ((along.weights, along.rho), (across.weights, rho)):
        assert weights.sum().item() == pytest.approx(np.pi, abs=1e-12)
        root = (weights * (1 - distance.square()).sqrt()).sum().item()
        assert root == pytest.approx(2 * np.pi / 3, abs=1e-10)
    wave = (rows(40).weights * torch.cos(20.0 * rows(40).u)).sum().item()
    assert wave == pytest.approx(2 * np.pi * special.j1(20.0) / 20.0, abs=1e-10)


def test_interpolation_is_exact_for_cubics_and_zero_beyond_the_table():
    places = torch.arange(9, dtype=torch.float64)
    table = torch.stack([places**2, 0.1 * places**3 + 1.0])
    at = torch.tensor([1.0, 2.5, 6.9], dtype=torch.float64)
    expected = torch.stack([at**2, 0.1 * at**3 + 1.0])
    torch.testing.assert_close(interpolated(table, at), expected)
    # Even: what lies below zero mirrors what lies above.
    even = interpolated(table[:1], torch.tensor([0.5], dtype=torch.float64))
    assert even.item() == pytest.approx(0.25)
    assert interpolated(table, torch.tensor([12.0, 500.0])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_sizes_move_in_steps():
    sizes = np.linspace(1, 30, 1000)
    up, down = (np.array([stepped(s, up=direction) for s in sizes]) for direction in (True, False))
    assert (up >= sizes - 1e-12).all()
    assert (down <= sizes + 1e-12).all()
    assert (up / down < 1.0906).all()
    assert len(np.unique(up)) < 45


def test_the_transform_of_samples_is_its_sum():
    rng = np.random.default_rng(5)
    samples = torch.from_numpy(rng.random((4, 5, 6)))
    origin, spacing = (-1.0, 0.5, 0.2), (0.3, 0.2, 0.1)
    axes = [torch.from_numpy(rng.standard_normal(n)) for n in (3, 4, 2)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    places = [o + h * np.arange(n) for o, h, n in zip(origin, spacing, samples.shape, strict=True)]
    x = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 3)
    waves = np.exp(-2j * np.pi * grid.reshape(-1, 3).numpy() @ x.T)
    expected = (waves @ samples.numpy().ravel()).reshape(3, 4, 2)
    assert product_axes(grid) is not None
    np.testing.assert_allclose(transform_of_samples(samples, origin, spacing, grid), expected)
    scattered = grid.reshape(-1, 3)
    assert product_axes(scattered) is None
    found = transform_of_samples(samples, origin, spacing, scattered)
    np.testing.assert_allclose(found, expected.ravel())
    mixed = grid.clone()
    mixed[0, 0, 0] += 0.1
    assert product_axes(mixed) is None
