"""What a fit does on a GPU, its kernels built for the host, against what it does on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from cuda_on_host import make_launch
from scipy.sparse import diags
from scipy.sparse import random as random_matrix

import napari_deltamic as dm
from napari_deltamic.fitting import preconditioner, roughness
from napari_deltamic.fitting.cpu_rows import CpuRows
from napari_deltamic.fitting.matrices import Rows
from napari_deltamic.fitting.preconditioner import inverse_coefficients, root_coefficients
from napari_deltamic.mesh import bumpy_sphere, icosphere, mean_surface_distance
from napari_deltamic.meshft import backends, transform
from napari_deltamic.meshft.cuda import backend as cuda_backend
from napari_deltamic.meshft.cuda.source import SPARSE
from napari_deltamic.meshft.cuda.sparse_rows import SparseRows

CPU = torch.device("cpu")


def on_host(matrix: object, device: torch.device = CPU) -> SparseRows:
    return SparseRows(matrix, device, make_launch(SPARSE))


def as_polynomial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smooth as on a GPU, by its kernels."""
    monkeypatch.setattr(preconditioner, "device_rows", on_host)
    monkeypatch.setattr(preconditioner, "_MANY", 0)
    monkeypatch.setattr(preconditioner, "_LONG", 10_000)


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 3)))


@pytest.mark.parametrize("make", [on_host, CpuRows])
@pytest.mark.parametrize("size", [50, 9000])
def test_rows_multiply_as_scipy_does(make: Callable[..., Rows], size: int) -> None:
    matrix = random_matrix(size, size, 4.0 / size, "csr", rng=np.random.default_rng(0))
    x = vectors(size)
    assert make(matrix).product(x).numpy() == pytest.approx(matrix @ x.numpy(), abs=1e-13)


@pytest.mark.parametrize("make", [on_host, CpuRows])
@pytest.mark.parametrize("size", [50, 9000])
def test_series_of_rows_are_those_of_the_matrix(make: Callable[..., Rows], size: int) -> None:
    band = diags([0.3, 0.1, 0.3], [-1, 0, 1], (size, size), "csr")
    x, coefficients = vectors(size), np.array([0.5, -0.2, 0.7, 0.1, 0.3])
    before, now = x.numpy(), band @ x.numpy()
    expected = coefficients[0] * before + coefficients[1] * now
    for one in coefficients[2:]:
        before, now = now, 2 * (band @ now) - before
        expected += one * now
    kept = x.clone()
    assert make(band).chebyshev(coefficients, x).numpy() == pytest.approx(expected, abs=1e-13)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("reaches", [(300.0, 60.0), (3e4, 0.0), (1000.0, 300.0), (1e6, 1e6)])
def test_where_it_would_be_too_long_there_is_a_series_to_be_squared(
    reaches: tuple[float, float],
) -> None:
    assert inverse_coefficients(reaches) is None
    coefficients = root_coefficients(reaches)
    assert len(coefficients) <= 513
    x = np.linspace(0, 1, 101)[5:]
    series = np.polynomial.chebyshev.chebval(2 * x - 1, coefficients)
    exact = np.prod([1 / (1 + one * x) for one in reaches], axis=0)
    assert series == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("reach", [0.5, 10.0, 30.0])
def test_the_series_is_the_inverse(reach: float) -> None:
    reaches = reach, 0.2 * reach
    coefficients = inverse_coefficients(reaches)
    x = np.linspace(0, 1, 101)
    series = np.polynomial.chebyshev.chebval(2 * x - 1, coefficients)
    exact = np.prod([1 / (1 + one * x) ** 2 for one in reaches], axis=0)
    assert series == pytest.approx(exact, abs=0.11 * exact[-1])


@pytest.mark.parametrize("stiffness", [0.0, 0.01])
@pytest.mark.parametrize("smoothing", [0.3, 4.0, 30.0])
def test_the_polynomial_smooths_as_the_factors_do(
    smoothing: float, stiffness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = bumpy_sphere((0, 0, 0), 1.0, 0.4, subdivisions=3)
    exact = preconditioner.smoother(mesh, smoothing, CPU, stiffness)
    as_polynomial(monkeypatch)
    polynomial = preconditioner.smoother(mesh, smoothing, CPU, stiffness)
    x = vectors(len(mesh.vertices))
    found, expected = polynomial(x), exact(x)
    assert (found - expected).norm() < 0.01 * x.norm()
    # Smooth fields, which matter, pass as they should; every field is answered with descent.
    constant = torch.ones_like(x)
    assert polynomial(constant).numpy() == pytest.approx(1.0, abs=0.01)
    y = vectors(len(mesh.vertices), 1)
    assert float((y * polynomial(x)).sum()) == pytest.approx(float((x * polynomial(y)).sum()))
    for seed in range(5):
        field = vectors(len(mesh.vertices), seed)
        assert float((field * polynomial(field)).sum()) > 0


def test_a_whole_fit_by_the_kernels_is_that_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    psf, shape, spacing = dm.GaussianPSF(0.15), (30, 32, 34), (0.1,) * 3
    truth = icosphere((1.5, 1.6, 1.7), 0.9, 4)
    image = dm.render(truth, psf, shape, spacing, membrane=1.0, interior=5.0, background=0.5)
    stack, seed = dm.ImageStack(image, spacing), icosphere((1.6, 1.5, 1.6), 0.6, 2)
    settings = dm.FitSettings(label="both", stages=2, max_iterations=30)
    expected = dm.fit(stack, seed, psf, settings)

    monkeypatch.setattr(cuda_backend, "cupy_launch", lambda device, module: make_launch(module))
    make = partial(cuda_backend.CudaBackend, device=CPU)
    choice = backends.Choice(make, "CUDA: a stand-in", CPU)
    monkeypatch.setattr(transform, "choose_backend", lambda name, device=None: choice)
    as_polynomial(monkeypatch)
    monkeypatch.setattr(roughness, "device_rows", on_host)
    result = dm.fit(stack, seed, psf, settings)
    assert mean_surface_distance(result.mesh, truth).mean < 0.1 * spacing[0]
    assert mean_surface_distance(result.mesh, expected.mesh).mean < 0.05 * spacing[0]
    assert result.mesh.volumes() == pytest.approx(truth.volumes(), rel=3e-3)
    assert result.intensities.interior == pytest.approx([5.0], rel=0.05)
    again = dm.fit(stack, seed, psf, settings)
    assert np.array_equal(again.mesh.vertices, result.mesh.vertices)
