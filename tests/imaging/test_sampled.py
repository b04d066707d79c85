"""Values of an image between its voxels."""

import numpy as np

from napari_deltamic.imaging.sampling import sampled

SPACING, ORIGIN = np.array((0.5, 0.2, 0.3)), np.array((3.0, -1.0, 2.0))


def test_a_linear_image_is_met_exactly_between_its_voxels():
    indices = np.stack(np.mgrid[:6, :7, :8], axis=-1)
    slopes = np.array((2.0, -3.0, 0.5))
    image = ((ORIGIN + SPACING * indices) @ slopes + 4.0).astype(np.float32)
    points = ORIGIN + SPACING * np.random.default_rng(0).uniform(0, (5, 6, 7), (100, 3))
    np.testing.assert_allclose(
        sampled(image, points, SPACING, ORIGIN), points @ slopes + 4.0, atol=1e-5
    )


def test_at_the_voxels_it_is_the_image_itself():
    image = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)
    indices = np.stack(np.mgrid[:3, :4, :5], axis=-1).reshape(-1, 3)
    found = sampled(image, ORIGIN + SPACING * indices, SPACING, ORIGIN)
    np.testing.assert_allclose(found, image.ravel(), atol=1e-6)


def test_beyond_the_voxels_there_is_nothing():
    image = np.ones((3, 4, 5), np.float32)
    edge = ORIGIN - 0.49 * SPACING
    beyond = ORIGIN - 0.51 * SPACING
    found = sampled(image, [edge, beyond, ORIGIN + 10.0], SPACING, ORIGIN)
    np.testing.assert_array_equal(found, [1.0, np.nan, np.nan])
