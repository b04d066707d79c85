from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.optics import GaussianPSF, MeasuredPSF

SIGMA = (0.4, 0.2, 0.25)
SPACING = (0.2, 0.1, 0.12)
SHAPE = (21, 25, 23)
voxels = GaussianPSF(SIGMA).sampled(SHAPE, SPACING).detach().numpy()
offsets = st.tuples(*[st.floats(-0.5, 0.5)] * 3)


def grid(shape, spacing) -> torch.Tensor:
    axes = [torch.from_numpy(np.fft.fftfreq(n, s)) for n, s in zip(shape, spacing, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def moved(offset) -> np.ndarray:
    """Return the Gaussian's voxels with its centre a fraction of a voxel off the middle."""
    k = grid(SHAPE, SPACING)
    shift = torch.tensor(offset) * torch.tensor(SPACING)
    otf = GaussianPSF(SIGMA).otf(k) * torch.exp(-2j * torch.pi * (k @ shift.double()))
    return torch.fft.fftshift(torch.fft.ifftn(otf).real).detach().numpy()


def test_otf_is_that_of_the_voxels_psf() -> None:
    k = grid((9, 8, 7), (0.3, 0.2, 0.2))
    psf = MeasuredPSF(3.7 * voxels, SPACING)
    expected = GaussianPSF(SIGMA).otf(k).detach()
    torch.testing.assert_close(psf.otf(k).real, expected, atol=2e-4, rtol=0)
    assert psf.otf(k).imag.abs().max() < 2e-4
    scattered = k.reshape(-1, 3)[::5]
    torch.testing.assert_close(psf.otf(scattered), psf.otf(k).reshape(-1)[::5])


@given(offsets)
@settings(max_examples=15)
def test_centre_is_found_between_voxels(offset) -> None:
    psf = MeasuredPSF(moved(offset), SPACING)
    expected = np.array(SPACING) * (np.array(SHAPE) // 2 + offset)
    assert (np.abs(np.array(psf.centre) - expected) < 0.1 * np.array(SPACING)).all()


@given(offsets)
@settings(max_examples=10)
def test_a_given_centre_keeps_the_phase(offset) -> None:
    centre = np.array(SPACING) * (np.array(SHAPE) // 2 + offset)
    psf = MeasuredPSF(moved(offset), SPACING, centre)
    k = grid((5, 5, 5), (0.5, 0.3, 0.3))
    expected = GaussianPSF(SIGMA).otf(k).detach().to(torch.complex128)
    torch.testing.assert_close(psf.otf(k), expected, atol=3e-4, rtol=0)


def test_total_is_one_and_nothing_passes_beyond_its_voxels() -> None:
    psf = MeasuredPSF(moved((0.3, -0.2, 0.1)), SPACING)
    assert psf.otf(torch.zeros(1, 3, dtype=torch.float64)).tolist() == [pytest.approx(1.0)]
    beyond = torch.tensor([[0.0, 0.0, 0.51 / 0.12], [0.51 / 0.2, 0.0, 0.0]])
    assert psf.otf(beyond).tolist() == [0.0, 0.0]


@given(st.tuples(st.floats(0.1, 0.35), st.floats(0.06, 0.18), st.floats(0.06, 0.2)))
@settings(max_examples=15)
def test_resampled_to_any_spacing(spacing) -> None:
    shape = tuple(2 * int(3.5 * s / step) + 1 for s, step in zip(SIGMA, spacing, strict=True))
    found = MeasuredPSF(voxels, SPACING).sampled(shape, spacing).numpy()
    axes = [(np.arange(n) - n // 2) * step for n, step in zip(shape, spacing, strict=True)]
    profiles = [np.exp(-0.5 * (x / s) ** 2) for x, s in zip(axes, SIGMA, strict=True)]
    expected = np.einsum("z,y,x->zyx", *profiles)
    expected /= expected.sum()
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())


def test_a_small_box_is_cut_out_not_wrapped() -> None:
    psf = MeasuredPSF(voxels, SPACING)
    small, large = (psf.sampled(shape, SPACING).numpy() for shape in ((5, 6, 7), SHAPE))
    z, y, x = (
        slice(m // 2 - n // 2, m // 2 - n // 2 + n) for m, n in zip(SHAPE, (5, 6, 7), strict=True)
    )
    cut = large[z, y, x]
    np.testing.assert_allclose(small, cut / cut.sum(), atol=1e-6)


def test_extent_holds_the_light() -> None:
    psf = MeasuredPSF(voxels, SPACING)
    inside = [
        np.abs((np.arange(n) - n // 2) * s) <= e
        for n, s, e in zip(SHAPE, SPACING, psf.extent(), strict=True)
    ]
    assert np.einsum("zyx,z,y,x->", voxels, *inside) >= 0.999
    assert (psf.extent() <= 4.5 * np.array(SIGMA)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_frequencies_say_the_precision(dtype: torch.dtype) -> None:
    found = MeasuredPSF(voxels, SPACING).otf(torch.zeros(2, 3, dtype=dtype))
    assert found.dtype == dtype.to_complex()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((voxels[0], SPACING), "voxels: expected a volume"),
        ((np.where(voxels == voxels.max(), np.nan, voxels), SPACING), "voxels: NaN .* in 1 of"),
        ((-voxels, SPACING), "voxels: their total"),
        ((voxels, (0.2, 0.0, 0.1)), "spacing: expected three positive"),
        ((voxels, (0.2, 0.1)), "spacing: expected three positive"),
        ((voxels, SPACING, (1.0, 1.0)), "centre: expected three"),
        ((voxels, SPACING, (99.0, 1.0, 1.0)), "centre: .* outside"),
        ((voxels * 1j, SPACING), "voxels: expected real numbers"),
    ],
)
def test_bad_input_is_named(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        MeasuredPSF(*arguments)
