from __future__ import annotations

import numpy as np
import pytest
import torch
from bead_cases import FWHM, POSITIONS, SIGMA, SPACING, gaussian_beads, noisy

from napari_deltamic.optics import ConfocalPSF, GaussianPSF, MeasuredPSF, match_psf, measure_psf
from napari_deltamic.optics.ball import ball_transform
from napari_deltamic.optics.bounded_fit import minimised
from napari_deltamic.optics.match_result import MatchProgress, MatchStoppedError
from napari_deltamic.optics.matching import _quantities

GUESS = GaussianPSF((0.5, 0.2, 0.2))


def volume(otf, shape, spacing, offset=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Return the image of a point off the middle voxel by some um."""
    axes = [torch.from_numpy(np.fft.fftfreq(n, s)) for n, s in zip(shape, spacing, strict=True)]
    k = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    with torch.no_grad():
        moved = otf(k) * torch.exp(-2j * torch.pi * (k @ torch.tensor(offset).double()))
    return torch.fft.fftshift(torch.fft.ifftn(moved).real).numpy()


def test_beads_are_fitted_together() -> None:
    heights = [900.0, 600.0, 400.0]
    image = noisy(gaussian_beads(POSITIONS, heights))
    measured = measure_psf(image, SPACING, window=(2.0, 1.0, 1.0))
    match = match_psf(GUESS, measured)
    assert match.converged
    found = np.array([match.values[f"sigma_{axis}"].value for axis in "zyx"])
    deviations = np.array([match.values[f"sigma_{axis}"].deviation for axis in "zyx"])
    np.testing.assert_allclose(found, SIGMA, rtol=0.01)
    assert (np.abs(found - SIGMA) < 5 * deviations).all()
    np.testing.assert_allclose(match.fwhm, FWHM, rtol=0.01)
    np.testing.assert_allclose(match.amplitudes / match.amplitudes[0], [1, 2 / 3, 4 / 9], rtol=0.03)
    total = heights[0] * np.prod(SIGMA / SPACING) * (2 * np.pi) ** 1.5
    assert match.amplitudes[0] == pytest.approx(total, rel=0.03)
    middles = np.round(np.array([bead.position for bead in measured.beads]) / SPACING) * SPACING
    assert (np.abs(middles + match.shifts - POSITIONS) < 0.1 * SPACING).all()
    # The model is what it was.
    assert GUESS.sigma.tolist() == pytest.approx([0.5, 0.2, 0.2])


def test_one_image_gives_shift_light_and_background() -> None:
    shape, spacing, offset = (17, 20, 21), (0.2, 0.1, 0.1), (0.13, -0.06, 0.08)
    image = 500 * volume(GaussianPSF((0.4, 0.22, 0.18)).otf, shape, spacing, offset) + 3.0
    match = match_psf(GUESS, image, spacing)
    np.testing.assert_allclose(match.shifts[0], offset, atol=1e-3)
    assert match.amplitudes[0] == pytest.approx(500, rel=1e-2)
    assert match.backgrounds[0] == pytest.approx(3.0, abs=1e-2)
    assert match.residual < 5e-3
    np.testing.assert_allclose(match.images[0], image, atol=0.02 * image.max())


def test_only_what_is_named_changes() -> None:
    shape, spacing = (17, 20, 21), (0.2, 0.1, 0.1)
    image = volume(GaussianPSF((0.5, 0.15, 0.2)).otf, shape, spacing)
    match = match_psf(GUESS, MeasuredPSF(image, spacing), names=["sigma_y"])
    assert list(match.values) == ["sigma_y"]
    assert match.values["sigma_y"].value == pytest.approx(0.15, rel=5e-3)
    assert match.values["sigma_y"].unit == "um"
    assert match.psf.sigma.tolist()[::2] == pytest.approx([0.5, 0.2])


def test_a_model_without_quantities_is_placed() -> None:
    shape, spacing = (17, 20, 21), (0.2, 0.1, 0.1)
    voxels = volume(GaussianPSF((0.4, 0.22, 0.18)).otf, shape, spacing)
    measured = MeasuredPSF(voxels, spacing)
    match = match_psf(measured, 7 * voxels + 1, spacing)
    assert match.values == {}
    assert match.residual < 1e-2


def test_a_bead_of_known_size_does_not_widen_the_psf() -> None:
    shape, spacing, truth = (25, 28, 28), (0.15, 0.08, 0.08), GaussianPSF((0.4, 0.15, 0.15))
    image = volume(lambda k: truth.otf(k) * ball_transform(0.4, k), shape, spacing)
    sharp = match_psf(GUESS, image, spacing, bead_diameter=0.4)
    blurred = match_psf(GUESS, image, spacing)
    assert sharp.values["sigma_y"].value == pytest.approx(0.15, rel=5e-3)
    assert blurred.values["sigma_y"].value > 0.165


def test_a_physical_model_is_fitted() -> None:
    def confocal(na: float, pinhole: float, spherical: float) -> ConfocalPSF:
        return ConfocalPSF(
            na=na,
            excitation_wavelength=0.488,
            emission_wavelength=0.52,
            pinhole=pinhole,
            model="pupil",
            aberrations={11: spherical},
            axial_range=2.0,
        )

    shape, spacing = (25, 32, 32), (0.15, 0.05, 0.05)
    truth = confocal(1.2, 1.0, 0.05).sampled(shape, spacing).detach().numpy()
    image = np.random.default_rng(0).normal(truth, 0.005 * truth.max())
    names = ["na", "zernike"]
    match = match_psf(confocal(1.3, 1.0, 0.0), image, spacing, names=names)
    assert match.values["na"].value == pytest.approx(1.2, abs=0.01)
    assert match.values["zernike_11"].value == pytest.approx(0.05, abs=0.01)
    plain = match_psf(GaussianPSF((0.3, 0.1, 0.1)), image, spacing)
    assert match.residual < 0.8 * plain.residual


def test_bounds_hold_and_are_reported() -> None:
    spacing = (0.15, 0.05, 0.05)
    numbers = {"excitation_wavelength": 0.488, "emission_wavelength": 0.52, "axial_range": 2.0}
    wide = GaussianPSF((0.3, 0.3, 0.3)).sampled((25, 32, 32), spacing).detach().numpy()
    model = ConfocalPSF(na=1.2, model="pupil", pinhole=19.0, **numbers)
    match = match_psf(model, wide, spacing, names=["pinhole"])
    assert match.values["pinhole"].value == pytest.approx(20.0)
    assert match.at_bounds == ["pinhole"]


def test_least_squares_stays_within_bounds() -> None:
    target = np.array([3.0, -1.0, 0.5])
    mix = np.array([[1.0, 0.9, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])

    def linearised(x):
        residual = mix @ (x - target)
        return float(residual @ residual), mix.T @ residual, mix.T @ mix

    lower, upper = np.full(3, -5.0), np.array([2.0, 5.0, 5.0])
    found = minimised(lambda x: linearised(x)[0], linearised, np.zeros(3), lower, upper, 60)
    assert found.converged
    assert found.x[0] == 2.0
    # With the first at its bound, the others follow.
    rest = np.linalg.lstsq(mix[:, 1:], mix @ target - mix[:, 0] * 2.0, rcond=None)[0]
    np.testing.assert_allclose(found.x[1:], rest, atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beads": np.ones((9, 9, 9)), "spacing": (1, 1, 1)}, "beads: nothing is brighter"),
        ({"beads": np.ones((9, 9)), "spacing": (1, 1, 1)}, "beads: expected a volume"),
        ({"beads": np.ones((9, 9, 9))}, "spacing: an image needs"),
        ({"beads": np.eye(9)[None] * np.ones((9, 1, 1)), "spacing": (1, 0, 1)}, "spacing: expect"),
        ({"beads": np.ones((9, 9, 9)), "spacing": (1, 1, 1), "bead_diameter": -1}, "bead_diameter"),
        (
            {"beads": np.eye(9)[None] * np.ones((9, 1, 1)), "spacing": (1, 1, 1), "names": ["na"]},
            "na",
        ),
    ],
)
def test_bad_input_is_named(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        match_psf(GUESS, **arguments)


def test_it_says_how_far_it_is_and_stops_when_asked() -> None:
    shape, spacing = (17, 20, 21), (0.2, 0.1, 0.1)
    image = volume(GaussianPSF((0.4, 0.15, 0.2)).otf, shape, spacing)
    told: list[MatchProgress] = []
    match = match_psf(GUESS, image, spacing, on_progress=told.append)
    assert [one.step for one in told] == list(range(len(told)))
    assert told[0].residual > 10 * told[-1].residual
    assert told[-1].residual == pytest.approx(match.residual, rel=0.05)

    seen: list[MatchProgress] = []
    with pytest.raises(MatchStoppedError):
        match_psf(GUESS, image, spacing, on_progress=seen.append, should_stop=lambda: bool(seen))
    assert len(seen) == 1


def test_it_asks_whether_to_stop_before_every_image() -> None:
    shape, spacing = (17, 20, 21), (0.2, 0.1, 0.1)
    image = volume(GaussianPSF((0.4, 0.15, 0.2)).otf, shape, spacing)
    asked: list[int] = []
    steps: list[MatchProgress] = []

    def should_stop() -> bool:
        asked.append(len(steps))
        return False

    match_psf(GUESS, image, spacing, on_progress=steps.append, should_stop=should_stop)
    # Three widths: three moved OTFs, and as many images, before the first step is told.
    assert asked.count(0) >= 8


def test_what_a_data_sheet_says_is_left_alone_unless_it_is_named() -> None:
    model = ConfocalPSF(
        na=1.2, excitation_wavelength=0.488, emission_wavelength=0.52, aberrations={4: 0.0, 11: 0.0}
    )
    assert [q.name for q in _quantities(model, None)] == ["na", "pinhole", "zernike_11"]
    assert [q.name for q in _quantities(model, ["depth"])] == ["depth"]
    assert len(_quantities(GUESS, None)) == 3
