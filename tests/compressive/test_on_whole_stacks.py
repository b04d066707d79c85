"""Interpolation, segmentation and scores of whole stacks."""

import numpy as np
import pytest
import torch
from compressive_cases import SIZE, discs, quick_model

from napari_deltamic.compressive import (
    interpolation_scored,
    scored,
    segment,
    train,
    volume_scored,
)
from napari_deltamic.compressive.applying import interpolated
from napari_deltamic.compressive.scores import image_scores


def test_interpolation_is_of_the_mean_light_of_each_camera_pixel():
    model = quick_model()
    even = torch.full((2, 1, SIZE, SIZE), 0.6)
    image = interpolated(model, even)
    # Beyond the field nothing is lit, which the blur brings in at the rim.
    np.testing.assert_allclose(image[:, :, 8:-8, 8:-8], 0.6, rtol=0.05)


def test_scores_of_interpolation_are_those_of_its_images():
    model, patches = quick_model(), discs(11)
    found = interpolation_scored(model, patches)
    ssim, psnr, l1 = image_scores(interpolated(model, patches.images).detach(), patches.images)
    assert found.ssim == pytest.approx(float(ssim.mean()), abs=1e-5)
    assert found.psnr == pytest.approx(float(psnr.mean()), abs=1e-3)
    assert found.l1 == pytest.approx(float(l1.mean()), abs=1e-6)
    assert found.dice is None


def test_a_stack_is_scored_plane_by_plane():
    truth = discs(5).images[:, 0].numpy()
    image = np.clip(truth + 0.1 * np.random.default_rng(0).normal(size=truth.shape), -1, 2)
    each = [volume_scored(image[k : k + 1], truth[k : k + 1]) for k in range(5)]
    whole = volume_scored(image, truth)
    for name in ("ssim", "psnr", "l1"):
        mean = np.mean([getattr(one, name) for one in each])
        assert getattr(whole, name) == pytest.approx(mean, rel=1e-5)
    assert volume_scored(truth, truth).ssim == pytest.approx(1.0)
    with pytest.raises(ValueError, match="image: expected the truth's"):
        volume_scored(image[:, :8], truth[:, :8])


def test_what_was_trained_for_is_found_in_whole_stacks():
    model = quick_model(epochs=6, steps_per_epoch=10)
    assert not model.segments
    training, validation = discs(24), discs(8, seed=1)
    train(model, training, validation, "segment")
    assert model.segments
    assert scored(model, discs(8, seed=2)).dice is not None
    fields = discs(4, seed=3).images[:, 0]
    whole = torch.cat([torch.cat([*fields[:2]], 1), torch.cat([*fields[2:]], 1)])[None]
    marked = segment(model, whole)
    with torch.no_grad():
        corner = model.segmented(fields[3][None, None])[0, 0] > 0
    np.testing.assert_array_equal(marked[0, SIZE:, SIZE:], corner)
    assert segment(model, whole[:, :50, :40]).shape == (1, 50, 40)
    with pytest.raises(ValueError, match=r"image: expected \(Z, Y, X\)"):
        segment(model, whole[0])
