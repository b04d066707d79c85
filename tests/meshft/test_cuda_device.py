"""The transform and the fit on a real CUDA device; skipped, visibly, where there is none."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from meshft_cases import ISSUE_TOLERANCES, relative_error

import napari_deltamic as dm
from napari_deltamic.fitting.preconditioner import smoother
from napari_deltamic.mesh import bumpy_sphere, dumbbell, icosphere, mean_surface_distance
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.meshft.cuda.direct_transform import DirectTransform
from napari_deltamic.meshft.cuda.launching import cupy_launch
from napari_deltamic.meshft.lit_mesh import LitMesh

pytestmark = pytest.mark.gpu

SHAPE, SPACING, BAND = (60, 64, 70), (1.0, 0.9, 0.8), (18, 17, 19)
MESH = bumpy_sphere((25.0, 30.0, 28.0), 14.0, 0.4, seed=2, subdivisions=3)


def on_device(dtype: torch.dtype, **changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return a lit mesh on the device, its floating parts asking for gradients."""
    rng = np.random.default_rng(0)
    parts = {
        "vertices": torch.tensor(MESH.vertices, dtype=dtype, device="cuda"),
        "faces": torch.tensor(np.array(MESH.faces), device="cuda"),
        "membrane": torch.tensor(rng.uniform(0.5, 2, len(MESH.faces)), dtype=dtype, device="cuda"),
        "interior": torch.full((len(MESH.faces),), 0.3, dtype=dtype, device="cuda"),
        **changes,
    }
    return {
        name: part.requires_grad_() if part.is_floating_point() else part
        for name, part in parts.items()
    }


def transform_of(tolerance: float, backend: str) -> MeshFourierTransform:
    return MeshFourierTransform(SHAPE, SPACING, tolerance=tolerance, band=BAND, backend=backend)


def modes_and_gradients(transform: MeshFourierTransform, mesh: dict) -> list[torch.Tensor]:
    modes = transform(**mesh)
    # Weights that tell the modes apart.
    weights = torch.linspace(0.5, 2.0, modes.numel(), device=modes.device).reshape(modes.shape)
    (weights * (modes.abs() / modes.detach().abs().max()).square()).sum().backward()
    return [modes.detach(), *(part.grad for part in mesh.values() if part.is_floating_point())]


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
def test_the_device_agrees_with_the_cpu_in_float64(dtype, tolerance: float) -> None:
    found = modes_and_gradients(transform_of(tolerance, "cuda"), on_device(dtype))
    exact = {
        name: part.detach().cpu().double() if part.is_floating_point() else part.cpu()
        for name, part in on_device(dtype).items()
    }
    exact = {
        name: part.requires_grad_() if part.is_floating_point() else part
        for name, part in exact.items()
    }
    expected = modes_and_gradients(transform_of(1e-11, "cpu"), exact)
    assert all(part.device.type == "cuda" for part in found)
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one.cpu(), other) <= 3 * tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
def test_the_closed_form_on_the_device_agrees(dtype, tolerance: float) -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    transform = transform_of(tolerance, "cuda")
    launch = partial(cupy_launch, device)
    direct = DirectTransform(transform.lengths, BAND, dtype, device, launch)
    mesh = on_device(dtype)
    modes = transform(**mesh)
    lit = LitMesh(*(part.detach() for part in mesh.values()))
    oracle = direct.forward(lit)
    assert relative_error(modes.detach().cpu(), oracle.cpu()) <= tolerance
    modes.backward(oracle)
    gradients = [part.grad for part in mesh.values() if part.is_floating_point()]
    for found, expected in zip(gradients, direct.backward(oracle, lit), strict=True):
        assert relative_error(found.cpu(), expected.cpu()) <= 3 * tolerance


def test_two_calls_are_the_same_bit_for_bit() -> None:
    transform = transform_of(1e-5, "cuda")
    first, again = (modes_and_gradients(transform, on_device(torch.float32)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_work_is_queued_on_the_current_stream() -> None:
    transform = transform_of(1e-5, "cuda")
    expected = transform(**on_device(torch.float32)).detach()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    # What is queued on the default stream by mistake comes a second too late.
    torch.cuda._sleep(2_000_000_000)
    with torch.cuda.stream(stream):
        found = transform(**on_device(torch.float32)).detach()
    stream.synchronize()
    assert torch.equal(found, expected)


def test_smoothing_on_the_device_is_that_of_the_cpu() -> None:
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=MESH.vertices.shape))
    expected = smoother(MESH, 5.0, torch.device("cpu"))(gradient)
    found = smoother(MESH, 5.0, torch.device("cuda"))(gradient.cuda())
    assert (found.cpu() - expected).norm() < 0.01 * gradient.norm()


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_a_fit_on_the_device_finds_the_shape_and_is_repeatable(noise: str) -> None:
    shape, spacing, psf = (50, 50, 50), (1.0, 1.0, 1.0), dm.GaussianPSF(1.5)
    truth = dumbbell((25.0, 25.0, 25.0), length=36, radius=8, neck=5)
    image = dm.render(truth, psf, shape, spacing, backend="cuda")
    stack = dm.ImageStack(image + (0.02 if noise == "poisson" else 0.0), spacing)
    settings = dm.FitSettings(backend="cuda", noise=noise)
    seed = icosphere((25, 25, 25), 12, 3)
    result, again = (dm.fit(stack, seed, psf, settings) for _ in range(2))
    assert mean_surface_distance(result.mesh, truth).mean < 0.1
    assert np.array_equal(result.mesh.vertices, again.mesh.vertices)
    assert result.loss_history == again.loss_history


def test_memory_is_given_back() -> None:
    seed = icosphere((25, 25, 25), 12, 3)
    image = dm.render(seed, dm.GaussianPSF(1.5), (50, 50, 50), (1.0, 1.0, 1.0))
    stack = dm.ImageStack(image, (1.0, 1.0, 1.0))
    settings = dm.FitSettings(backend="cuda", stages=1, max_iterations=4)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    dm.fit(stack, seed, dm.GaussianPSF(1.5), settings)
    assert torch.cuda.memory_reserved() <= before + 2**25
