from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_deltamic.optics import PSF, GaussianPSF

widths = st.floats(0.05, 3.0)
frequencies = torch.from_numpy(np.random.default_rng(0).normal(scale=0.3, size=(5, 4, 3)))


def rotated(sigma, angles) -> tuple[np.ndarray, np.ndarray]:
    rotation = Rotation.from_euler("zyx", angles).as_matrix()
    return rotation @ np.diag(np.square(sigma)) @ rotation.T, rotation


@given(st.tuples(widths, widths, widths))
def test_otf_is_the_closed_form(sigma) -> None:
    psf = GaussianPSF(sigma)
    expected = torch.exp(-2 * (torch.pi * frequencies * torch.tensor(sigma)).square().sum(-1))
    torch.testing.assert_close(psf.otf(frequencies).detach(), expected)
    assert psf.otf(torch.zeros(2, 3)).tolist() == [1.0, 1.0]


@given(st.tuples(widths, widths, widths), st.tuples(*[st.floats(-3, 3)] * 3))
def test_covariance_turns_with_the_axes(sigma, angles) -> None:
    covariance, rotation = rotated(sigma, angles)
    turned = GaussianPSF(covariance=covariance)
    straight = GaussianPSF(sigma)
    along = frequencies @ torch.from_numpy(rotation)
    torch.testing.assert_close(turned.otf(frequencies), straight.otf(along), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(turned.covariance.detach(), covariance, atol=1e-12)
    np.testing.assert_allclose(turned.sigma.detach(), np.sqrt(np.diag(covariance)))


def test_one_width_serves_all_axes() -> None:
    assert GaussianPSF(0.4).sigma.tolist() == pytest.approx([0.4, 0.4, 0.4])
    assert GaussianPSF(covariance=np.eye(3)).sigma.tolist() == pytest.approx([1, 1, 1])


@given(st.tuples(*[st.integers(12, 20)] * 3), st.tuples(*[st.floats(0.5, 1.2)] * 3))
def test_sampled_psf_is_centred_and_sums_to_one(shape, spacing) -> None:
    sigma = np.array([1.0, 0.9, 1.1])
    voxels = GaussianPSF(sigma).sampled(shape, spacing).detach()
    assert voxels.shape == shape
    assert float(voxels.sum()) == pytest.approx(1.0)
    assert np.unravel_index(int(voxels.argmax()), shape) == tuple(n // 2 for n in shape)
    axes = [(np.arange(n) - n // 2) * step for n, step in zip(shape, spacing, strict=True)]
    profiles = []
    for x, step, n, width in zip(axes, spacing, shape, sigma, strict=True):
        turns = x + np.arange(-3, 4)[:, None] * n * step
        profile = np.exp(-0.5 * (turns / width) ** 2) / (width * np.sqrt(2 * np.pi))
        profiles.append(profile.sum(axis=0) * step)
    expected = np.einsum("z,y,x->zyx", *profiles)
    # What a voxel of 1.2 um aliases of a width of 0.9 um.
    np.testing.assert_allclose(voxels, expected, atol=0.05 * expected.max())


def test_sampled_psf_wants_three_axes() -> None:
    with pytest.raises(ValueError, match="spacing: expected three positive voxel sizes"):
        GaussianPSF(1.0).sampled((8, 8, 8), (1.0, 1.0))


@given(st.tuples(widths, widths, widths), st.tuples(*[st.floats(-3, 3)] * 3))
def test_extent_holds_the_light(sigma, angles) -> None:
    covariance, _ = rotated(sigma, angles)
    extent = GaussianPSF(covariance=covariance).extent()
    rng = np.random.default_rng(1)
    points = rng.normal(size=(200_000, 3)) @ np.linalg.cholesky(covariance).T
    outside = (np.abs(points) > extent).any(axis=1).mean()
    # 1e-3, and four standard deviations of the count.
    assert outside <= 1e-3 + 4 * np.sqrt(1e-3 / len(points))
    assert extent.dtype == np.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_frequencies_say_the_precision(dtype: torch.dtype) -> None:
    assert GaussianPSF(0.5).otf(frequencies.to(dtype)).dtype == dtype


@pytest.mark.parametrize(
    ("psf", "expected"),
    [
        (GaussianPSF((0.5, 0.3, 0.2)), ["log_diagonal"]),
        (GaussianPSF(covariance=rotated((0.5, 0.3, 0.2), (1, 2, 3))[0]), ["log_diagonal", "below"]),
    ],
)
def test_parameters_are_learnable(psf: GaussianPSF, expected: list[str]) -> None:
    names = [name.removesuffix("_diagonal") for name, _ in psf.named_parameters()]
    assert names == [name.removesuffix("_diagonal") for name in expected]
    inputs = [p.detach().clone().requires_grad_() for p in psf.parameters()]
    keys = [name for name, _ in psf.named_parameters()]

    def otf(*values: torch.Tensor) -> torch.Tensor:
        replaced = dict(zip(keys, values, strict=True))
        return torch.func.functional_call(
            _Otf(psf), {f"psf.{k}": v for k, v in replaced.items()}, (frequencies,)
        )

    assert torch.autograd.gradcheck(otf, inputs)


class _Otf(torch.nn.Module):
    """Calls a PSF's otf as a module's forward, for torch.func."""

    def __init__(self, psf: PSF) -> None:
        super().__init__()
        self.psf = psf

    def forward(self, k: torch.Tensor) -> torch.Tensor:
        return self.psf.otf(k)


def test_an_optimiser_finds_the_widths() -> None:
    target = GaussianPSF((0.8, 0.5, 0.3)).otf(frequencies).detach()
    psf = GaussianPSF(0.6)
    optimiser = torch.optim.LBFGS(psf.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (psf.otf(frequencies) - target).square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert psf.sigma.tolist() == pytest.approx([0.8, 0.5, 0.3], rel=1e-2)


def test_a_psf_is_saved_and_restored() -> None:
    psf = GaussianPSF(covariance=rotated((0.5, 0.3, 0.2), (1, 2, 3))[0])
    other = GaussianPSF(covariance=np.eye(3))
    other.load_state_dict(psf.state_dict())
    torch.testing.assert_close(other.covariance, psf.covariance)
    assert "um" in repr(psf)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "sigma, covariance: give exactly one"),
        ({"sigma": 1.0, "covariance": np.eye(3)}, "sigma, covariance: give exactly one"),
        ({"sigma": 0.0}, "sigma: expected one or three positive widths in um, got 0.0"),
        ({"sigma": (1, 2)}, "sigma: expected one or three positive widths"),
        ({"sigma": (1, -1, 1)}, "sigma: expected one or three positive widths"),
        ({"sigma": (1, np.inf, 1)}, "sigma: expected one or three positive widths"),
        ({"covariance": np.eye(2)}, r"covariance: expected a symmetric, finite \(3, 3\) matrix"),
        ({"covariance": np.tri(3)}, r"covariance: expected a symmetric, finite \(3, 3\) matrix"),
        ({"covariance": np.inf * np.ones((3, 3))}, "covariance: expected a symmetric, finite"),
        ({"covariance": -np.eye(3)}, "covariance: expected a positive definite matrix"),
    ],
)
def test_widths_that_are_none(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianPSF(**arguments)


def test_a_model_must_say_its_otf_and_extent() -> None:
    with pytest.raises(TypeError, match="abstract"):
        PSF()
