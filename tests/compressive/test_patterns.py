import numpy as np
import pytest
import torch
from compressive_cases import quick_model

from napari_deltamic.compressive import fixed_masks, light_matched
from napari_deltamic.compressive.masks import hadamard_tiles
from napari_deltamic.compressive.patterns import LearnedPatterns, Patterns, smooth_noise


def made(kind, count=4, size=32, binning=8, seed=0):
    return fixed_masks(kind, count, size, size, binning, torch.Generator().manual_seed(seed))


def test_hadamard_masks_are_those_of_fewest_sign_changes():
    flat, *halves, quarters = hadamard_tiles(4, 8)
    assert (flat == 1).all()
    across = torch.arange(8) < 4
    assert {tuple(half.flatten().tolist()) for half in halves} == {
        tuple(across.float().expand(8, 8).flatten().tolist()),
        tuple(across.float().expand(8, 8).T.flatten().tolist()),
    }
    assert torch.equal(quarters, (across[:, None] == across).float())


def test_hadamard_tiles_are_orthogonal():
    signs = 2.0 * hadamard_tiles(16, 4).flatten(1) - 1.0
    torch.testing.assert_close(signs @ signs.T, 16.0 * torch.eye(16))


def test_masks_are_learned_from_noise_of_the_grain_asked_for():
    noise = smooth_noise(3, 128, 96, 4.0, torch.Generator().manual_seed(4))
    assert noise.shape == (3, 128, 96)
    assert float(noise.std()) == pytest.approx(1.0)
    # Two blurs of 4 voxels correlate over their square root of two.
    for axis in (1, 2):
        alike = (noise * noise.roll(6, axis)).mean()
        assert float(alike) == pytest.approx(np.exp(-(6**2) / (4 * 4.0**2)), abs=0.1)


def test_random_masks_repeat_with_their_seed():
    masks = made("random", size=64)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert float(masks.mean()) == pytest.approx(0.5, abs=0.02)
    assert torch.equal(masks, made("random", size=64))
    assert not torch.equal(masks, made("random", size=64, seed=1))


@pytest.mark.parametrize("kind", ["learned", "fourier", "random", "hadamard", "uniform"])
@pytest.mark.parametrize("slope", [None, 3.0])
def test_all_patterns_have_the_light_of_one_full_exposure(kind, slope):
    light = quick_model(patterns=kind).patterns(slope)
    assert light.shape == (4, 32, 32)
    assert float(light.detach().mean((1, 2)).sum()) == pytest.approx(1.0, rel=1e-5)


def test_masks_without_a_lit_voxel_stay_finite():
    assert torch.isfinite(light_matched(torch.zeros(2, 4, 4))).all()


@pytest.mark.parametrize("fourier", [False, True])
def test_both_forms_start_from_the_same_logits(fourier):
    logits = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(1))
    patterns = LearnedPatterns(logits, fourier)
    torch.testing.assert_close(patterns.logits(), logits)
    torch.testing.assert_close(patterns.soft(3.0), torch.sigmoid(3.0 * logits))
    assert torch.equal(patterns.binary(), logits > 0)


def test_the_fourier_form_is_the_published_one():
    patterns = LearnedPatterns(torch.zeros(1, 6, 8), fourier=True)
    with torch.no_grad():
        patterns.raw.normal_(generator=torch.Generator().manual_seed(2))
    spectrum = torch.view_as_complex(patterns.raw.detach()) * (6 * 8) ** 0.5
    expected = torch.sigmoid(2.0 * torch.fft.fftshift(torch.fft.ifft2(spectrum), dim=(1, 2)).real)
    torch.testing.assert_close(patterns.soft(2.0), expected)


def test_a_steeper_slope_ends_in_the_binary_masks():
    patterns = LearnedPatterns(torch.tensor([[[-0.3, 0.2], [1.0, -2.0]]]))
    torch.testing.assert_close(patterns.soft(1e3), patterns.binary().float())


@pytest.mark.parametrize("fourier", [False, True])
def test_binary_masks_pass_the_gradient_straight_through(fourier):
    logits = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(3))
    patterns = LearnedPatterns(logits, fourier)
    weights = torch.rand(2, 4, 4)
    hard = patterns.soft(None)
    assert set(hard.unique().tolist()) <= {0.0, 1.0}
    (found,) = torch.autograd.grad((weights * hard).sum(), patterns.raw)
    (smooth,) = torch.autograd.grad((weights * patterns.soft(1.0)).sum(), patterns.raw)
    torch.testing.assert_close(found, smooth)


def test_fixed_masks_have_nothing_to_learn():
    patterns = Patterns(made("random"))
    assert list(patterns.parameters()) == []
    assert torch.equal(patterns.soft(2.0), patterns.soft(None))


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="binning"):
        hadamard_tiles(4, 6)
    with pytest.raises(ValueError, match="binning"):
        hadamard_tiles(5, 2)
    with pytest.raises(ValueError, match="kind"):
        made("speckle")
