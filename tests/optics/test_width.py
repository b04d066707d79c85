from __future__ import annotations

import numpy as np
import pytest
from bead_cases import FWHM, POSITIONS, SIGMA, SPACING, gaussian_beads
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.optics import GaussianPSF, MeasuredPSF, fwhm_of
from napari_deltamic.optics.width import SIGMA_OF_FWHM, fwhm

PLACE = POSITIONS[:1]


@given(st.tuples(*[st.floats(-0.5, 0.5)] * 3), st.floats(0.9, 3.0))
@settings(max_examples=25)
def test_a_gaussian_has_its_closed_form(offset, factor) -> None:
    shape = np.array((25, 27, 29))
    place = SPACING * (shape // 2 + np.array(offset))
    sigma = factor * SPACING
    spot = gaussian_beads(place[None], [5.0], tuple(shape.tolist()), sigma=sigma)
    np.testing.assert_allclose(fwhm(spot, SPACING) * SIGMA_OF_FWHM, sigma, rtol=0.03)


def test_noise_hardly_biases_it() -> None:
    spot = gaussian_beads(PLACE, [1.0])
    rng = np.random.default_rng(0)
    found = [fwhm(spot + rng.normal(scale=0.02, size=spot.shape), SPACING) for _ in range(12)]
    np.testing.assert_allclose(np.mean(found, axis=0), FWHM, rtol=0.03)
    hot = spot.copy()
    hot[2, 80, 80] = 3.0
    np.testing.assert_allclose(fwhm(hot, SPACING), FWHM, rtol=0.02)


def test_models_have_theirs() -> None:
    psf = GaussianPSF(SIGMA)
    np.testing.assert_allclose(fwhm_of(psf), FWHM, rtol=2e-3)
    measured = MeasuredPSF(psf.sampled((31, 41, 41), tuple(SPACING)).detach(), SPACING)
    np.testing.assert_allclose(fwhm_of(measured), FWHM, rtol=2e-3)


def test_a_spot_that_is_cut_off_is_refused() -> None:
    spot = gaussian_beads(PLACE, [1.0])
    with pytest.raises(ValueError, match=r"voxels: brighter than half the peak .* along z;"):
        fwhm(spot[14:17], SPACING)
    with pytest.raises(ValueError, match="voxels: nowhere positive"):
        fwhm(np.zeros((5, 5, 5)), SPACING)
    with pytest.raises(ValueError, match="spacing"):
        fwhm(spot, (0.2, -0.1, 0.1))
