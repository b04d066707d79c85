import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.imaging import FullSampling, PatternedIllumination, render
from napari_deltamic.imaging.acquisition.blur import BlurredSums
from napari_deltamic.imaging.acquisition.reference import direct_convolution, direct_frames
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import PSF, GaussianPSF, LightSheetPSF, MeasuredPSF

SPACING = (0.4, 0.2, 0.25)


def kernel(seed, shape=(3, 5, 3)):
    """Return a lopsided kernel whose voxels are as large as the operators'."""
    light = np.random.default_rng(seed).uniform(0.2, 1.0, shape)
    return light / light.sum()


def measured(light):
    """Return the PSF that such a kernel is exactly: its box holds all of the light."""
    middle = np.array(SPACING) * (np.array(light.shape) // 2)
    return MeasuredPSF(light, SPACING, middle)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(("depth", "binning"), [(1, 1), (1, 2), (3, 2), (4, 4)])
def test_frames_are_those_of_plain_loops(depth, binning):
    density, patterns = random(depth, 8, 12), random(3, 8, 12, seed=1)
    excitation, emission = kernel(2), kernel(3)
    operator = PatternedIllumination(
        patterns,
        SPACING,
        depth=depth,
        binning=binning,
        excitation=measured(excitation),
        emission=measured(emission),
    )
    expected = direct_frames(density.numpy(), patterns.numpy(), excitation, emission, binning)
    assert expected.shape == operator.frame_shape
    np.testing.assert_allclose(operator(density).detach(), expected, rtol=1e-10)


def test_full_sampling_is_a_blur():
    density, light = random(4, 6, 5), kernel(4)
    operator = FullSampling((4, 6, 5), SPACING, measured(light))
    assert operator.compression == 1.0
    np.testing.assert_allclose(
        operator(density)[0], direct_convolution(density.numpy(), light), rtol=1e-10
    )


@st.composite
def cases(draw):
    binning = draw(st.integers(1, 4))
    count, depth = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    rows, columns = (binning * draw(st.integers(1, 5)) for _ in range(2))
    psf = st.sampled_from((None, GaussianPSF((0.5, 0.3, 0.2)), measured(kernel(5))))
    operator = PatternedIllumination(
        random(count, rows, columns, seed=6),
        SPACING,
        depth=depth,
        binning=binning,
        excitation=draw(psf),
        emission=draw(psf),
    )
    return operator, draw(st.sampled_from(((), (2,))))


@given(cases())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_adjoint_is_the_transpose(dtype, tolerance, case):
    operator, batch = case
    density = random(*batch, *operator.shape, seed=7, dtype=dtype)
    frames = random(*batch, *operator.frame_shape, seed=8, dtype=dtype) - 0.3
    with torch.no_grad():
        seen, back = operator(density), operator.adjoint(frames)
    assert seen.shape == frames.shape
    assert back.shape == density.shape
    assert seen.dtype == back.dtype == dtype
    scale = float(seen.double().norm() * frames.double().norm())
    error = float(
        (seen * frames).sum(dtype=torch.float64) - (density * back).sum(dtype=torch.float64)
    )
    assert abs(error) <= tolerance * scale


@pytest.mark.parametrize("psf", [None, GaussianPSF((0.5, 0.3, 0.2)), measured(kernel(5))])
def test_gradients_of_image_and_patterns_are_exact(psf):
    operator = PatternedIllumination(
        random(2, 4, 6), SPACING, depth=2, binning=2, excitation=psf, emission=psf
    )

    def frames(density, patterns):
        return torch.func.functional_call(operator, {"patterns": patterns}, (density,))

    density, patterns = random(2, 4, 6).requires_grad_(), random(2, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(frames, (density, patterns))
    assert torch.autograd.gradgradcheck(frames, (density, patterns))
    assert torch.autograd.gradcheck(
        operator.adjoint, random(*operator.frame_shape).requires_grad_()
    )


@settings(max_examples=10)
@given(st.integers(1, 6), st.integers(0, 7), st.integers(0, 7))
def test_light_stays_where_the_psf_brings_it(depth, y, x):
    """Nothing wraps round: a point at one edge leaves the other dark."""
    psf = GaussianPSF((0.5, 0.3, 0.3))
    shape = (depth, 40, 40)
    density = torch.zeros(shape, dtype=torch.float64)
    density[0, y, x] = 1.0
    image = BlurredSums(psf, shape, SPACING)(density)
    # What is left of the light in half a stack is the ringing of the voxels.
    assert image[:, 24:].abs().max() < 1e-3 * image.max()
    assert image[:, :, 24:].abs().max() < 1e-3 * image.max()
    if depth == 6:
        assert image[-1].max() < 1e-2 * image[0].max()


def test_even_light_and_small_pixels_are_full_sampling():
    psf = GaussianPSF((0.5, 0.3, 0.2))
    density = random(3, 8, 8)
    even = PatternedIllumination(
        torch.ones(1, 8, 8), SPACING, depth=3, binning=1, excitation=None, emission=psf
    )
    torch.testing.assert_close(even(density), FullSampling((3, 8, 8), SPACING, psf)(density))


def test_a_single_plane_loses_no_light():
    psf = GaussianPSF((2.0, 0.3, 0.3))
    density = torch.zeros(1, 40, 40)
    density[0, 20, 20] = 1.0
    assert float(FullSampling((1, 40, 40), SPACING, psf)(density).sum()) == pytest.approx(
        1, abs=1e-5
    )


def test_a_density_on_voxels_gives_the_image_of_its_mesh():
    """The convention of units is the renderer's: a ball of 1 per um^3, seen in full."""
    spacing, psf = (0.3, 0.15, 0.15), GaussianPSF((0.45, 0.25, 0.25))
    shape = (24, 40, 40)
    ball = icosphere(np.array(spacing) * (np.array(shape) - 1) / 2, 1.6, 4)
    image = render(ball, psf, shape, spacing, membrane=0.0, interior=1.0)
    fine = GaussianPSF((0.15, 0.1, 0.1))
    density = torch.from_numpy(render(ball, fine, shape, spacing, membrane=0.0, interior=1.0))
    rest = GaussianPSF(np.sqrt(np.array((0.45, 0.25, 0.25)) ** 2 - np.array((0.15, 0.1, 0.1)) ** 2))
    seen = FullSampling(shape, spacing, rest)(density)[0]
    assert np.abs(seen.numpy() - image).max() < 5e-3


def test_any_psf_of_the_optics_fits():
    psf = LightSheetPSF(na=0.8, wavelength=0.52, immersion_index=1.33, sheet_thickness=2.0)
    assert isinstance(psf, PSF)
    operator = PatternedIllumination(
        random(2, 16, 16, dtype=torch.float32),
        SPACING,
        depth=4,
        binning=4,
        excitation=psf,
        emission=psf,
    )
    frames = operator(random(4, 16, 16, dtype=torch.float32))
    assert torch.isfinite(frames).all()
    assert frames.requires_grad
    assert operator.compression == 8.0


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="binning"):
        PatternedIllumination(random(2, 6, 8), SPACING, binning=4)
    with pytest.raises(ValueError, match="patterns"):
        PatternedIllumination(random(6, 8), SPACING, binning=2)
    with pytest.raises(ValueError, match="patterns"):
        PatternedIllumination(torch.ones(2, 6, 8, dtype=torch.int64), SPACING, binning=2)
    with pytest.raises(ValueError, match="shape"):
        PatternedIllumination(random(2, 6, 8), SPACING, depth=0, binning=2)
    with pytest.raises(ValueError, match="spacing"):
        FullSampling((2, 3, 4), (1.0, 1.0))
    operator = PatternedIllumination(random(2, 6, 8), SPACING, depth=3, binning=2)
    with pytest.raises(ValueError, match="density"):
        operator(random(1, 6, 8))
    with pytest.raises(ValueError, match="frames"):
        operator.adjoint(random(2, 3, 6, 8))
