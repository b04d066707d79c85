import pytest
import torch

from napari_deltamic.imaging import Camera, FullSampling, PatternedIllumination, photon_gain


def drawn(camera, frames, seed=0):
    return camera(frames, torch.Generator().manual_seed(seed))


def test_photons_and_read_out_have_the_variance_of_their_kind():
    frames = torch.full((200_000,), 0.5, dtype=torch.float64)
    noisy = drawn(Camera(gain=40.0, read_noise=3.0), frames)
    assert float(noisy.mean()) == pytest.approx(0.5, rel=1e-2)
    assert float(noisy.var()) * 40.0**2 == pytest.approx(20.0 + 9.0, rel=2e-2)
    counts = 40.0 * drawn(Camera(gain=40.0), frames)
    torch.testing.assert_close(counts, counts.round())


def test_noise_repeats_with_its_seed():
    frames = torch.rand(50)
    camera = Camera(gain=30.0, read_noise=1.0)
    assert torch.equal(drawn(camera, frames, 1), drawn(camera, frames, 1))
    assert not torch.equal(drawn(camera, frames, 1), drawn(camera, frames, 2))


def test_the_gradient_is_that_of_normal_noise_of_the_same_variance():
    frames = torch.full((200_000,), 0.5, dtype=torch.float64, requires_grad=True)
    camera = Camera(gain=40.0, read_noise=2.0)
    noisy = drawn(camera, frames)
    noisy.pow(2).mean().backward()
    # d/df of E[y^2] = f^2 + (gain f + read^2) / gain^2.
    assert float(frames.grad.sum()) == pytest.approx(2 * 0.5 + 1 / 40.0, rel=1e-2)
    plain = torch.full((200_000,), 0.5, dtype=torch.float64, requires_grad=True)
    (plain + (noisy - plain).detach()).pow(2).mean().backward()
    # Without the spread's part, its share would be missing.
    assert float(plain.grad.sum()) == pytest.approx(2 * 0.5, rel=5e-3)


def test_dark_pixels_stay_dark_and_their_gradient_finite():
    frames = torch.tensor([-0.1, 0.0, 1e-6], requires_grad=True)
    noisy = drawn(Camera(gain=10.0), frames)
    assert noisy[:2].tolist() == [0.0, 0.0]
    noisy.sum().backward()
    assert torch.isfinite(frames.grad).all()


def test_the_dose_is_counted_on_the_full_image():
    shape, spacing = (1, 16, 16), (1.0, 1.0, 1.0)
    density = torch.rand(shape)
    full = FullSampling(shape, spacing)(density)
    gain = photon_gain(full, 25.0)
    assert float(gain * full.mean()) == pytest.approx(25.0)
    # Patterns whose means add up to 1 spread the same photons over their frames.
    patterns = torch.full((4, 16, 16), 0.25)
    frames = PatternedIllumination(patterns, spacing, binning=8)(density).detach()
    assert float(gain * frames.sum()) == pytest.approx(25.0 * 256, rel=1e-5)


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="gain"):
        Camera(gain=0.0)
    with pytest.raises(ValueError, match="read_noise"):
        Camera(gain=1.0, read_noise=-1.0)
    with pytest.raises(ValueError, match="photons"):
        photon_gain(torch.ones(3), 0.0)
    with pytest.raises(ValueError, match="image"):
        photon_gain(torch.zeros(3), 1.0)
