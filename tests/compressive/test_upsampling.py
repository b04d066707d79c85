import numpy as np
import pytest
import torch
from compressive_cases import discs, quick_model

from napari_deltamic.compressive import fixed_masks
from napari_deltamic.compressive.upsampling import (
    LocalityUpsampling,
    TransposedUpsampling,
    bicubic,
    linear_estimate,
)


def random_light(count=3, size=8, binning=4):
    generator = torch.Generator().manual_seed(0)
    return fixed_masks("random", count, size, size, binning, generator)


def test_the_linear_estimate_is_the_textbook_one():
    """Pixel by pixel with the whole covariance, which the fast form never makes."""
    d, light = 4, random_light()
    weights = linear_estimate(light.double(), d).numpy()
    place = np.indices((d, d)).reshape(2, -1)
    distance = np.abs(place[:, :, None] - place[:, None]).sum(0)
    covariance = np.exp(-distance / 8.0) + 10.0
    for y, x in np.ndindex(2, 2):
        block = np.s_[:, d * y : d * (y + 1), d * x : d * (x + 1)]
        seen = light[block].reshape(3, -1).double().numpy() / d**2
        inner = seen @ covariance @ seen.T
        inner += 1e-3 * np.trace(inner) / 3 * np.eye(3)
        expected = np.linalg.solve(inner, seen @ covariance).reshape(3, d, d)
        np.testing.assert_allclose(weights[block], expected, rtol=1e-8, atol=1e-10)


def test_the_linear_estimate_is_differentiable():
    light = random_light(2, 4, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda one: linear_estimate(one, 2), light)


def test_each_camera_pixel_has_its_own_map():
    light = random_light()
    upsampling = LocalityUpsampling(3, 8, 8, 4)
    with torch.no_grad():
        upsampling.learned.normal_()
        frames = torch.rand(2, 3, 2, 2)
        image = upsampling(frames, light)
        weights = linear_estimate(light, 4) + upsampling.learned
        for y, x in np.ndindex(8, 8):
            expected = (weights[:, y, x] * frames[:, :, y // 4, x // 4]).sum(1)
            torch.testing.assert_close(image[:, 0, y, x], expected)


def test_an_even_image_is_found_without_training():
    model = quick_model(patterns="random")
    with torch.no_grad():
        even = torch.full((1, 1, 32, 32), 0.6)
        found = model(even)
    # The blur darkens the rim; the network adds nothing yet.
    assert float((found[..., 8:24, 8:24] - 0.6).abs().max()) < 0.05


@pytest.mark.parametrize("kind", ["hadamard", "random"])
def test_masks_tell_more_than_even_light(kind):
    images = discs(20).images
    errors = {}
    with torch.no_grad():
        for name in (kind, "uniform"):
            errors[name] = float((quick_model(patterns=name)(images) - images).square().mean())
    assert errors[kind] < 0.8 * errors["uniform"]


def test_baselines_have_the_image_as_their_scale():
    frames = torch.full((2, 4, 4, 4), 0.3)
    smooth = bicubic(frames, 8)
    assert smooth.shape == (2, 1, 32, 32)
    torch.testing.assert_close(smooth, torch.full_like(smooth, 0.3))
    upsampling = TransposedUpsampling(4, 8)
    with torch.no_grad():
        upsampling.convolution.bias.zero_()
    image = upsampling(frames, torch.ones(4, 32, 32))
    torch.testing.assert_close(image, torch.full_like(image, 0.3))
