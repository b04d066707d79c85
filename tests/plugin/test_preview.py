import numpy as np
import pytest

from napari_deltamic.plugin.preview import binned


def test_a_small_image_is_passed_on_as_it_is():
    image = np.ones((3, 4, 5), np.float32)
    preview = binned(image, 60)
    assert preview.image is image
    assert preview.bins == (1, 1, 1)


@pytest.mark.parametrize("shape", [(51, 120, 122), (7, 300, 9), (64, 64, 64)])
def test_bins_keep_the_mean_and_the_limit(shape):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    preview = binned(image, 20_000)
    assert preview.image.size <= 20_000
    assert preview.image.shape == tuple(n // b for n, b in zip(shape, preview.bins, strict=True))
    whole = image[tuple(slice(0, n // b * b) for n, b in zip(shape, preview.bins, strict=True))]
    assert preview.image.mean() == pytest.approx(whole.mean(), rel=1e-5)


def test_each_bin_is_the_mean_of_its_voxels():
    image = np.arange(2 * 2 * 4, dtype=np.float32).reshape(2, 2, 4)
    preview = binned(image, 8)
    assert preview.bins == (1, 1, 2)
    np.testing.assert_allclose(preview.image[0, 0], [0.5, 2.5])
