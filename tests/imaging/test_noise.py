import numpy as np
import pytest

from napari_deltamic.imaging import (
    ImageStack,
    estimate_background,
    estimate_noise,
    gaussian_noise,
    poisson_noise,
)

UNIT = (1.0, 1.0, 1.0)


def ball(shape=(24, 48, 48), radius=8.0):
    distance = np.linalg.norm(np.indices(shape).T - np.array(shape) // 2, axis=-1).T
    return 1.0 / (1.0 + np.exp(2.0 * (distance - radius)))


def test_gaussian_noise_has_the_asked_spread_and_repeats_with_its_seed():
    image = np.full((40, 50, 50), 3.0)
    noisy = gaussian_noise(image, 0.5, seed=1)
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(3.0, abs=0.01)
    assert noisy.std() == pytest.approx(0.5, rel=0.01)
    np.testing.assert_array_equal(noisy, gaussian_noise(image, 0.5, seed=1))
    assert (noisy != gaussian_noise(image, 0.5, seed=2)).any()
    np.testing.assert_array_equal(gaussian_noise(image, 0.0, seed=1), image)


def test_poisson_noise_counts_photons():
    image = np.zeros((40, 50, 50))
    image[20:] = 2.5
    image[0] = -1.0  # as ringing leaves; counts as dark
    counts = poisson_noise(image, peak=30.0, seed=3, background=2.0)
    np.testing.assert_array_equal(counts, np.round(counts))
    assert counts[:20].mean() == pytest.approx(2.0, rel=0.02)
    assert counts[:20].var() == pytest.approx(2.0, rel=0.03)
    assert counts[20:].mean() == pytest.approx(32.0, rel=0.01)
    assert counts[20:].var() == pytest.approx(32.0, rel=0.03)
    np.testing.assert_array_equal(counts, poisson_noise(image, 30.0, seed=3, background=2.0))


def test_arguments_out_of_range_are_named():
    image = np.ones((2, 2, 2))
    with pytest.raises(ValueError, match="sigma"):
        gaussian_noise(image, -1.0, seed=0)
    with pytest.raises(ValueError, match="peak"):
        poisson_noise(image, 0.0, seed=0)
    with pytest.raises(ValueError, match="background"):
        poisson_noise(image, 1.0, seed=0, background=-1.0)
    for useless in (np.zeros((2, 2, 2)), np.full((2, 2, 2), np.nan)):
        with pytest.raises(ValueError, match="image"):
            poisson_noise(useless, 1.0, seed=0)


@pytest.mark.parametrize("sigma", [0.02, 0.2, 2.0])
def test_the_noise_round_an_object_is_measured(sigma):
    noisy = gaussian_noise(5.0 + ball(), sigma, seed=4)
    assert estimate_noise(ImageStack(noisy, UNIT)) == pytest.approx(sigma, rel=0.05)


def test_sparse_photons_still_have_noise():
    counts = poisson_noise(ball(), peak=0.05, seed=5, background=0.01)
    assert np.median(counts) == 0
    assert estimate_noise(ImageStack(counts, UNIT)) > 0.01


def test_noise_is_measured_only_where_the_mask_trusts():
    noisy = gaussian_noise(np.zeros((10, 40, 40)), 1.0, seed=6)
    noisy[:, :30] *= 50.0
    mask = np.zeros(noisy.shape, bool)
    mask[:, 30:] = True
    assert estimate_noise(ImageStack(noisy, UNIT, mask=mask)) == pytest.approx(1.0, rel=0.05)
    lonely = np.zeros(noisy.shape, bool)
    lonely[5, 5, 5] = True
    with pytest.raises(ValueError, match="3 x 3"):
        estimate_noise(ImageStack(noisy, UNIT, mask=lonely))


@pytest.mark.parametrize("radius", [4.0, 8.0, 14.0])
def test_the_background_is_measured_beside_objects(radius):
    counts = poisson_noise(ball((32, 48, 48), radius), peak=60.0, seed=7, background=5.0)
    assert estimate_background(ImageStack(counts, UNIT)) == pytest.approx(5.0, abs=0.3)
    assert estimate_background(ImageStack(np.full((4, 5, 6), 3.0), UNIT)) == 3.0
