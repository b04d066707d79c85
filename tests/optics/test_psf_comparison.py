import numpy as np
import pytest
import torch

import napari_deltamic as dm
from napari_deltamic.optics import compare_psfs, nyquist_spacing

LENS = {"na": 1.2, "immersion_index": 1.33}


class Moved(dm.GaussianPSF):
    by = (0.1, -0.03, 0.05)

    def otf(self, frequencies):
        phase = frequencies @ torch.tensor(self.by, dtype=frequencies.dtype)
        return super().otf(frequencies) * torch.exp(-2j * torch.pi * phase)


def test_a_psf_equals_itself():
    psf = dm.ConfocalPSF(excitation_wavelength=0.488, emission_wavelength=0.52, **LENS)
    found = compare_psfs(psf, psf)
    assert found.relative_l2 < 1e-12
    assert found.otf_difference < 1e-12
    np.testing.assert_allclose(found.shift, 0.0, atol=1e-9)


def test_a_shift_is_found_and_undone():
    found = compare_psfs(dm.GaussianPSF((0.3, 0.1, 0.12)), Moved((0.3, 0.1, 0.12)))
    np.testing.assert_allclose(found.shift, Moved.by, atol=1e-4)
    assert found.relative_l2 < 0.01


def test_differences_of_gaussians_are_as_computed():
    one, other = 0.3, 0.36
    found = compare_psfs(dm.GaussianPSF(one), dm.GaussianPSF(other))
    # Products of Gaussians integrate to (a^2 + b^2)^(-3/2), but for a factor.
    overlap = {(a, b): (a**2 + b**2) ** -1.5 for a in (one, other) for b in (one, other)}
    energy = overlap[one, one] + overlap[other, other] - 2 * overlap[one, other]
    assert found.relative_l2 == pytest.approx(np.sqrt(energy / overlap[one, one]), rel=0.01)
    alike = overlap[one, other] ** 2 / (overlap[one, one] * overlap[other, other])
    assert found.shape_l2 == pytest.approx(np.sqrt(1 - alike), rel=0.01)
    k = np.sqrt(np.log(other**2 / one**2) / (2 * np.pi**2 * (other**2 - one**2)))
    largest = np.exp(-2 * (np.pi * k * one) ** 2) - np.exp(-2 * (np.pi * k * other) ** 2)
    assert found.otf_difference == pytest.approx(largest, rel=0.02)


@pytest.mark.parametrize(
    ("psf", "expected"),
    [
        (dm.WidefieldPSF(wavelength=0.52, **LENS), (0.52 / (2 * 0.756453), 0.52 / 4.8, 0.52 / 4.8)),
        (
            dm.TwoPhotonPSF(excitation_wavelength=0.92, **LENS),
            (0.92 / (4 * 0.756453), 0.92 / 9.6, 0.92 / 9.6),
        ),
        (dm.GaussianPSF((0.4, 0.1, 0.2)), 1.0347 * np.array([0.4, 0.1, 0.2])),
    ],
)
def test_nyquist_follows_the_textbook(psf, expected):
    np.testing.assert_allclose(nyquist_spacing(psf), expected, rtol=0.01)


def test_nyquist_of_voxels_is_no_finer_than_they_are():
    psf = dm.GaussianPSF((0.3, 0.15, 0.15))
    voxels = psf.sampled((21, 21, 21), (0.2, 0.1, 0.1)).detach().numpy()
    steps = nyquist_spacing(dm.MeasuredPSF(voxels, (0.2, 0.1, 0.1)))
    assert (steps >= np.array([0.2, 0.1, 0.1]) * 0.99).all()


def test_what_an_oil_lens_cannot_use_in_water_asks_for_no_voxels():
    oil = {"na": 1.45, "immersion_index": 1.515, "wavelength": 0.52}
    steps = nyquist_spacing(dm.WidefieldPSF(sample_index=1.33, **oil))
    assert steps[2] == pytest.approx(0.52 / (4 * 1.33))
