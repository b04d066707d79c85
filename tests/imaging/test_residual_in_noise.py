"""What a rendering leaves unexplained, in units of the noise."""

import numpy as np
import pytest

from napari_deltamic.imaging import gaussian_noise, poisson_noise
from napari_deltamic.imaging.residual import residual_in_noise

Z, Y, X = np.mgrid[:16, :40, :40]
SMOOTH = (20.0 + 80.0 * np.exp(-((Y - 20) ** 2 + (X - 18) ** 2) / 200.0)).astype(np.float32)


def test_a_right_rendering_leaves_noise_of_width_one():
    observed = gaussian_noise(SMOOTH, 3.0, seed=1)
    residual, level = residual_in_noise(observed, SMOOTH, "gaussian")
    assert level == pytest.approx(3.0, rel=0.05)
    assert residual.dtype == np.float32
    assert residual.std() == pytest.approx(1.0, abs=0.06)
    assert abs(residual.mean()) < 0.03


def test_photon_noise_has_width_one_in_dim_and_in_bright_voxels():
    observed = 7.0 * poisson_noise(SMOOTH, 60.0, seed=2, background=4.0)
    expected = 7.0 * (60.0 * SMOOTH / SMOOTH.max() + 4.0)
    residual, _ = residual_in_noise(observed, expected, "poisson")
    bright = SMOOTH > 60.0
    assert residual[bright].std() == pytest.approx(1.0, abs=0.08)
    assert residual[~bright].std() == pytest.approx(1.0, abs=0.08)


def test_it_is_positive_where_the_image_is_brighter():
    observed = gaussian_noise(SMOOTH, 2.0, seed=3)
    observed[8, 20, 20] += 40.0
    residual, _ = residual_in_noise(observed, SMOOTH, "gaussian")
    assert np.unravel_index(residual.argmax(), residual.shape) == (8, 20, 20)
    assert residual.max() == pytest.approx(20.0, abs=4.0)


def test_a_level_that_is_known_is_taken():
    observed = gaussian_noise(SMOOTH, 3.0, seed=4)
    residual, level = residual_in_noise(observed, SMOOTH, "gaussian", level=1.5)
    assert level == 1.5
    assert residual.std() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_an_image_without_noise_or_light_gives_finite_numbers(noise):
    for image in (np.zeros((4, 5, 6), np.float32), np.full((4, 2, 2), 3.0, np.float32)):
        residual, level = residual_in_noise(image, image, noise)
        assert np.all(residual == 0.0)
        assert level > 0.0


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="rendering"):
        residual_in_noise(SMOOTH, SMOOTH[1:], "gaussian")
