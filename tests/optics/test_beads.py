from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from bead_cases import FWHM, POSITIONS, SHAPE, SIGMA, SPACING, gaussian_beads, noisy
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.imaging import read_stack
from napari_deltamic.imaging.local_data import DATASETS
from napari_deltamic.optics import GaussianPSF, find_beads, fwhm_of, measure_psf
from napari_deltamic.optics.ball import ball_transform

HEIGHTS = [900.0, 600.0, 400.0]


def reasons(found) -> str:
    return "; ".join(spot.reason for spot in found.rejected)


@given(st.integers(0, 10_000), st.tuples(*[st.floats(-0.5, 0.5)] * 3))
@settings(max_examples=6)
def test_beads_are_found_to_a_tenth_of_a_voxel(seed, offset) -> None:
    positions = POSITIONS + SPACING * np.array(offset)
    found = find_beads(noisy(gaussian_beads(positions, HEIGHTS), seed=seed), SPACING)
    assert found.rejected == []
    # Brightest first, as they were made.
    assert (np.abs(found.positions - positions) < 0.1 * SPACING).all()
    np.testing.assert_allclose(found.fwhm, np.broadcast_to(FWHM, (3, 3)), rtol=0.06)
    np.testing.assert_allclose(found.brightness, HEIGHTS, rtol=0.06)
    np.testing.assert_allclose(
        found.background.level.ravel(), 20 * np.linspace(0.8, 1.2, SHAPE[0]), atol=0.5
    )


def test_the_average_has_width_position_and_total() -> None:
    image = noisy(gaussian_beads(POSITIONS, HEIGHTS))
    measured = measure_psf(image, SPACING, window=(2.0, 0.7, 0.7))
    assert len(measured.beads) == 3
    np.testing.assert_allclose(measured.fwhm, FWHM, rtol=0.03)
    assert measured.snr > max(bead.snr for bead in measured.beads)
    assert all(bead.difference < 0.3 for bead in measured.beads)
    middle = SPACING * (np.array(measured.average.shape) // 2)
    assert (np.abs(measured.psf.centre - middle) < 0.1 * SPACING).all()
    k = torch.tensor([[0.0, 0.0, 0.0], [0.4, 0.8, 0.5], [1.5, 2.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(
        measured.psf.otf(k), GaussianPSF(SIGMA).otf(k).detach() + 0j, atol=0.03, rtol=0
    )


def test_noise_outside_the_band_is_gone() -> None:
    measured = measure_psf(noisy(gaussian_beads(POSITIONS, HEIGHTS)), SPACING, window=(2, 1, 1))
    k = torch.stack(torch.meshgrid(*[torch.linspace(1.6, 2.4, 7)] * 3, indexing="ij"), dim=-1)
    k = k * torch.tensor([1.0, 2.5, 2.5])
    raw = np.abs(np.fft.fftn(measured.average / measured.average.sum()))
    corner = tuple(slice(int(0.3 * n), int(0.45 * n)) for n in raw.shape)
    assert measured.psf.otf(k).abs().mean() < 0.2 * raw[corner].mean()


def test_a_beads_size_is_divided_out() -> None:
    diameter, spacing = 0.25, (0.1, 0.06, 0.06)
    shape = (41, 64, 64)
    axes = [torch.from_numpy(np.fft.fftfreq(n, s)) for n, s in zip(shape, spacing, strict=True)]
    k = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    otf = GaussianPSF((0.3, 0.12, 0.12)).otf(k).detach() * ball_transform(diameter, k)
    bead = torch.fft.fftshift(torch.fft.ifftn(otf).real).numpy()
    image = np.random.default_rng(0).normal(100 * bead / bead.max(), 0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = measure_psf(image, spacing)
        sharp = measure_psf(image, spacing, bead_diameter=diameter)
    expected = fwhm_of(GaussianPSF((0.3, 0.12, 0.12)))
    assert (plain.fwhm[1:] > 1.07 * expected[1:]).all()
    np.testing.assert_allclose(sharp.fwhm, expected, rtol=0.05)


@given(st.floats(0.0, 3.0))
def test_ball_transform_is_the_balls(k) -> None:
    # Slices across the direction of k.
    x, weights = np.polynomial.legendre.leggauss(60)
    expected = float((weights * 0.75 * (1 - x**2)) @ np.cos(2 * np.pi * k * 0.25 * x))
    found = ball_transform(0.5, torch.tensor([[0.0, k, 0.0]], dtype=torch.float64))
    assert float(found) == pytest.approx(expected, abs=1e-10)


def test_close_pairs_are_rejected() -> None:
    pair = POSITIONS[1] + [0.0, 2.2 * FWHM[1], 0.0]
    image = noisy(gaussian_beads([*POSITIONS, pair], [*HEIGHTS, 500.0]))
    found = find_beads(image, SPACING)
    assert len(found.positions) == 2
    assert reasons(found).count("another bead is 0.67 um away") == 2
    assert len(find_beads(image, SPACING, separation=2.0).positions) == 4


def test_two_in_one_border_and_faint_ones_are_rejected() -> None:
    places = [*POSITIONS, [3.0, 6.2, 5.9], [3.0, 0.2, 5.0]]
    sigmas = [SIGMA] * 3 + [SIGMA * [1, 1, 1.6], SIGMA]
    found = find_beads(noisy(gaussian_beads(places, [700.0] * 5, sigma=sigmas)), SPACING)
    assert len(found.positions) == 3
    assert "two beads in one" in reasons(found)
    assert "too near the border along y" in reasons(found)


def test_saturated_beads_are_rejected() -> None:
    image = np.minimum(noisy(gaussian_beads(POSITIONS, [9000.0, 2000.0, 2000.0])), 4095)
    found = find_beads(image, SPACING)
    assert len(found.positions) == 2
    assert "saturated" in reasons(found)
    assert len(find_beads(image, SPACING, saturation=1500).positions) == 0


def test_rings_are_no_beads() -> None:
    ring = POSITIONS[0] + [0.0, 2.5 * FWHM[1], 0.0]
    image = noisy(gaussian_beads([*POSITIONS, ring], [9000.0, 8000.0, 8000.0, 900.0]))
    found = find_beads(image, SPACING)
    assert len(found.positions) == 3
    assert [spot.side_lobe for spot in found.rejected] == [True]


def test_positions_may_be_given() -> None:
    image = noisy(gaussian_beads(POSITIONS, HEIGHTS))
    found = find_beads(image, SPACING, positions=POSITIONS[1:2] + 0.1)
    assert (np.abs(found.positions - POSITIONS[1]) < 0.1 * SPACING).all()


def test_eight_bits_and_no_noise_are_enough() -> None:
    heights = [200.0, 150.0, 100.0]
    made = gaussian_beads(POSITIONS, heights)
    counts = np.random.default_rng(0).poisson(made + 0.2)
    for image in (np.minimum(counts, 255).astype(np.uint8), np.where(made > 1e-3, made, 0.0)):
        measured = measure_psf(image, SPACING)
        assert len(measured.beads) == 3
        assert np.isfinite(measured.snr)
        np.testing.assert_allclose(measured.fwhm, FWHM, rtol=0.04)
        found = np.array([bead.brightness for bead in measured.beads])
        np.testing.assert_allclose(found, heights, rtol=0.1)


def test_a_psf_cut_by_the_stack_says_so() -> None:
    image = noisy(gaussian_beads(POSITIONS, HEIGHTS))[10:22]
    with pytest.warns(UserWarning, match=r"image: it ends \d\.\d\d um along z from the beads, so"):
        measured = measure_psf(image, SPACING)
    assert measured.average.shape[0] <= 13
    assert measured.average.shape[0] % 2 == 1
    np.testing.assert_allclose(measured.fwhm, FWHM, rtol=0.06)


@pytest.mark.parametrize("factor", [0.1, 100.0])
def test_a_wrong_voxel_size_is_suspected(factor) -> None:
    image = noisy(gaussian_beads(POSITIONS, HEIGHTS))
    with pytest.warns(UserWarning, match=r"image: its spots are .* voxel size right"):
        measure_psf(image, factor * SPACING, window=factor * np.array([2.0, 1.0, 1.0]))


@pytest.mark.parametrize("image", [np.zeros((9, 20, 20)), np.full((9, 20, 20), 7, np.uint8)])
def test_an_empty_image_says_what_to_do(image) -> None:
    with pytest.raises(ValueError, match=r"image: no bead stands out .* lower threshold"):
        measure_psf(image, SPACING)


def test_noise_is_no_bead() -> None:
    image = noisy(np.zeros((20, 64, 64)))
    assert len(find_beads(image, SPACING).positions) == 0
    with pytest.raises(ValueError, match="image: no"):
        measure_psf(image, SPACING)


def test_rejections_reach_the_message() -> None:
    image = noisy(gaussian_beads([[3.0, 0.2, 5.0]], [700.0]))
    with pytest.raises(ValueError, match=r"no bright spot shows .* too near the border along y"):
        measure_psf(image, SPACING)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((20, 20))}, "image: expected a volume"),
        ({"image": np.full((9, 9, 9), np.nan)}, "image: NaN or infinite in 729"),
        ({"image": np.zeros((2, 9, 9))}, "image: needs at least three voxels"),
        ({"spacing": (0.1, 0.1, -1)}, "spacing: expected three positive"),
        ({"threshold": 0.0}, "threshold: expected a positive"),
        ({"separation": -1.0}, "separation: expected a positive"),
        ({"bead_diameter": 0.0}, "bead_diameter: expected a positive"),
        ({"background": "median"}, "background: expected 'planes' or 'constant'"),
        ({"bead_diameter": 100.0}, "cannot look .* um wide, as these do; .* 100 nm are 0.1"),
        ({"saturation": -5.0}, "saturation: expected a positive"),
        ({"positions": [[3.0, 90.0, 1.0]]}, r"\(3.00, 90.00, 1.00\) um: outside the stack"),
        ({"window": (1.0, 0.0, 1.0)}, "window: expected three positive"),
        ({"positions": [1.0, 2.0]}, "positions: expected"),
    ],
)
def test_bad_input_is_named(change, message) -> None:
    arguments = {"image": gaussian_beads(POSITIONS, HEIGHTS), "spacing": SPACING} | change
    with pytest.raises(ValueError, match=message):
        measure_psf(**arguments)


def test_real_beads(data_folder) -> None:
    path = data_folder / "beads_confocal.tif"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    stack = read_stack(path, spacing=DATASETS[path.name].spacing)
    with pytest.warns(UserWarning, match="um along z from the beads, so the PSF is cut"):
        measured = measure_psf(stack.data, stack.spacing)
    assert len(measured.beads) == 4
    assert measured.rejected == []
    assert measured.snr > 300
    # By eye, half the peak spans 5 planes, 10 rows and 7 columns.
    np.testing.assert_allclose(measured.fwhm, (0.57, 0.23, 0.165), rtol=0.07)
    widths = np.array([bead.fwhm for bead in measured.beads])
    assert (np.ptp(widths, axis=0) < 0.06 * widths.mean(axis=0)).all()
