"""What a fit does on a GPU, its kernels built for the host, against what it does on the CPU."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from cuda_on_host import make_launch
from scipy.sparse import random as random_matrix

import napari_deltamic as dm
from napari_deltamic.fitting import preconditioner, roughness
from napari_deltamic.fitting.preconditioner import inverse_coefficients
from napari_deltamic.mesh import bumpy_sphere, graph_laplacian, icosphere, mean_surface_distance
from napari_deltamic.meshft import backends, transform
from napari_deltamic.meshft.cuda import backend as cuda_backend
from napari_deltamic.meshft.cuda.source import SPARSE
from napari_deltamic.meshft.cuda.sparse_rows import SparseRows

CPU = torch.device("cpu")


def on_host(matrix: object, device: torch.device = CPU) -> SparseRows:
    return SparseRows(matrix, device, make_launch(SPARSE))


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 3)))


def test_rows_multiply_as_scipy_does() -> None:
    matrix = random_matrix(50, 50, 0.1, "csr", rng=np.random.default_rng(0))
    x = vectors(50)
    assert on_host(matrix).product(x).numpy() == pytest.approx(matrix @ x.numpy(), abs=1e-14)


@pytest.mark.parametrize("reach", [0.5, 10.0, 300.0])
def test_the_series_is_the_inverse(reach: float) -> None:
    coefficients = inverse_coefficients(reach, 1e-6)
    x = np.linspace(0, 1, 101)
    series = np.polynomial.chebyshev.chebval(2 * x - 1, coefficients)
    assert series == pytest.approx(1 / (1 + reach * x), abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.3, 4.0, 30.0])
def test_the_polynomial_smooths_as_the_factors_do(
    smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditioner, "device_rows", on_host)
    mesh = bumpy_sphere((0, 0, 0), 1.0, 0.4, subdivisions=3)
    laplacian = graph_laplacian(mesh)
    polynomial = preconditioner._polynomial(laplacian, smoothing, CPU)
    exact = preconditioner.smoother(mesh, smoothing, CPU)
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
    monkeypatch.setattr(preconditioner, "device_rows", on_host)
    by_polynomials = partial(preconditioner._polynomial, device=CPU)
    monkeypatch.setattr(preconditioner, "_factorised", by_polynomials)
    monkeypatch.setattr(roughness, "product", lambda matrix, device: on_host(matrix).product)
    result = dm.fit(stack, seed, psf, settings)
    assert mean_surface_distance(result.mesh, truth).mean < 0.1 * spacing[0]
    assert mean_surface_distance(result.mesh, expected.mesh).mean < 0.05 * spacing[0]
    assert result.mesh.volumes() == pytest.approx(truth.volumes(), rel=3e-3)
    assert result.intensities.interior == pytest.approx([5.0], rel=0.05)
    again = dm.fit(stack, seed, psf, settings)
    assert np.array_equal(again.mesh.vertices, result.mesh.vertices)
