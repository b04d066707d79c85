"""Renderings through the models of microscopes, against a plain convolution of voxels."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

import napari_deltamic as dm
from napari_deltamic.mesh.shapes import icosphere

CENTRE, RADIUS = np.array([3.0, 3.0, 3.2]), 1.6
SHAPE, SPACING = (30, 60, 64), (0.2, 0.1, 0.1)
NUMBERS = {"na": 1.1, "immersion_index": 1.33, "axial_range": 2.0}
PSFS = {
    "widefield": dm.GibsonLanniPSF(wavelength=0.52, **NUMBERS),
    "confocal": dm.ConfocalPSF(excitation_wavelength=0.488, emission_wavelength=0.52, **NUMBERS),
    "aberrated": dm.PupilPSF(
        wavelength=0.52, sample_index=1.38, depth=5.0, aberrations={5: 0.1, 8: 0.15}, **NUMBERS
    ),
}


def ball_in_voxels(finer):
    """How much of each voxel lies in the ball."""
    axes = [
        step * ((np.arange(n * finer) + 0.5) / finer - 0.5)
        for n, step in zip(SHAPE, SPACING, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (z - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (x - CENTRE[2]) ** 2 < RADIUS**2
    blocks = inside.reshape(SHAPE[0], finer, SHAPE[1], finer, SHAPE[2], finer)
    return blocks.mean(axis=(1, 3, 5))


@pytest.mark.parametrize("psf", PSFS.values(), ids=PSFS)
def test_a_ball_looks_as_by_convolution(psf):
    ball = icosphere(CENTRE, RADIUS, 5)
    image = dm.render(ball, psf, SHAPE, SPACING, membrane=0.0, interior=1.0)
    odd = tuple(2 * n - 1 for n in SHAPE)
    blur = psf.sampled(odd, SPACING).detach().numpy()
    expected = fftconvolve(ball_in_voxels(5), blur, mode="full")
    corner = [n - 1 for n in SHAPE]
    expected = expected[tuple(slice(c, c + n) for c, n in zip(corner, SHAPE, strict=True))]
    # Of the widefield PSF some light lies beyond the voxels that it was sampled on.
    scale = (image * expected).sum() / (expected**2).sum()
    assert scale == pytest.approx(1.0, abs=0.02)
    error = np.linalg.norm(image - scale * expected) / np.linalg.norm(image)
    assert error < 0.01
