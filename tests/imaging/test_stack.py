import numpy as np
import pytest

from napari_deltamic.imaging import ImageStack

GOOD = np.zeros((4, 5, 6))


def test_keeps_float32_and_says_where_its_voxels_lie():
    stack = ImageStack(np.arange(120).reshape(4, 5, 6), (0.5, 0.2, 0.1), origin=(1, 2, 3))
    assert stack.data.dtype == np.float32
    assert stack.shape == (4, 5, 6)
    np.testing.assert_allclose(stack.lower_corner, (0.75, 1.9, 2.95))
    np.testing.assert_allclose(stack.upper_corner, (2.75, 2.9, 3.55))


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 4, 5, 6), (6,)])
def test_other_than_three_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match="expected a 3D stack"):
        ImageStack(np.zeros(shape), (1, 1, 1))


@pytest.mark.parametrize("shape", [(1, 5, 6), (4, 0, 6)])
def test_a_single_plane_or_nothing_is_refused(shape):
    with pytest.raises(ValueError, match="at least two voxels"):
        ImageStack(np.zeros(shape), (1, 1, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted_and_located(bad):
    data = GOOD.copy()
    data[1, 2, 3] = data[3, 0, 0] = bad
    with pytest.raises(ValueError, match=r"infinite in 2 of \d+ voxels, the first at \(1, 2, 3\)"):
        ImageStack(data, (1, 1, 1))


def test_a_mask_takes_bad_voxels_out():
    data = GOOD + 7.0
    data[1, 2, 3] = np.nan
    stack = ImageStack(data, (1, 1, 1), mask=np.isfinite(data))
    assert stack.data[1, 2, 3] == 0.0
    assert stack.data.sum() == 7.0 * (data.size - 1)


@pytest.mark.parametrize(
    "spacing", [(0, 1, 1), (1, -1, 1), (1, 1, np.nan), (1, np.inf, 1), (1, 1), 1.0]
)
def test_spacing_must_be_three_positive_lengths(spacing):
    with pytest.raises(ValueError, match="spacing: expected three positive voxel sizes"):
        ImageStack(GOOD, spacing)


def test_masks_and_origins_are_checked():
    with pytest.raises(ValueError, match="mask: shape"):
        ImageStack(GOOD, (1, 1, 1), mask=np.ones((4, 5, 5)))
    with pytest.raises(ValueError, match="no voxel is trusted"):
        ImageStack(GOOD, (1, 1, 1), mask=np.zeros((4, 5, 6)))
    with pytest.raises(ValueError, match="origin"):
        ImageStack(GOOD, (1, 1, 1), origin=(0, 0, np.nan))
