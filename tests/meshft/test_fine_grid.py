"""Transforms between grid and band against numpy's full transforms, and the choice of the band."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.meshft.band import fine_grid_size, mode_indices, narrow_band
from napari_deltamic.meshft.fine_grid import band_of_grid, grid_of_band
from napari_deltamic.optics import GaussianPSF

bands = st.tuples(*[st.integers(0, 5)] * 3)
seeds = st.integers(0, 2**32 - 1)


def setting(band, seed: int):
    rng = np.random.default_rng(seed)
    sizes = tuple(
        int(2 * k + 1 + extra) for k, extra in zip(band, rng.integers(0, 6, 3), strict=True)
    )
    planes = rng.random(sizes[0]) < 0.6
    return rng, sizes, planes


@given(bands, seeds)
def test_band_of_grid_is_a_part_of_the_full_transform(band, seed: int) -> None:
    rng, sizes, planes = setting(band, seed)
    grid = rng.normal(size=sizes) * planes[:, None, None]
    expected = np.fft.fftn(grid)[np.ix_(*mode_indices(band))]
    np.testing.assert_allclose(band_of_grid(grid, planes, band), expected, atol=1e-12)


@given(bands, seeds)
def test_grid_of_band_is_the_adjoint(band, seed: int) -> None:
    rng, sizes, planes = setting(band, seed)
    halo = 2
    shape = [len(axis) for axis in mode_indices(band)]
    modes = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    field = np.full((*sizes[:2], sizes[2] + halo), np.nan)
    grid_of_band(modes, planes, field, halo)
    assert np.isnan(field[~planes]).all()
    np.testing.assert_array_equal(field[planes][:, :, sizes[2] :], field[planes][:, :, :halo])
    other = rng.normal(size=sizes) * planes[:, None, None]
    one = np.sum(other[planes] * field[planes][:, :, : sizes[2]])
    two = np.vdot(modes, band_of_grid(other, planes, band)).real
    assert one == pytest.approx(two, abs=1e-10)


@given(st.integers(0, 200), st.floats(1.0, 2.5), st.sampled_from([8, 16]))
def test_grid_sizes_are_quick_and_large_enough(band: int, upsampling: float, width: int) -> None:
    size = fine_grid_size(band, upsampling, width)
    assert size >= max(width, upsampling * (2 * band + 1))
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    assert size == 1


def test_without_optics_the_band_ends_below_nyquist() -> None:
    assert narrow_band((8, 9, 2), np.ones(3), None, 1e-4) == (3, 4, 0)


@given(st.floats(0.3, 3.0), st.floats(1e-6, 0.5))
def test_the_band_ends_where_the_optics_fall_below_the_threshold(sigma, threshold) -> None:
    shape, spacing = (40, 50, 60), (1.0, 0.8, 0.5)
    psf = GaussianPSF((sigma, 1.2 * sigma, 0.9 * sigma))
    band = MeshFourierTransform(shape, spacing, psf.otf, threshold).band
    for axis, width in enumerate((sigma, 1.2 * sigma, 0.9 * sigma)):
        last = np.sqrt(-np.log(threshold) / 2) / (np.pi * width) * shape[axis] * spacing[axis]
        largest = 4 * ((shape[axis] - 1) // 2)
        assert band[axis] == np.clip(int(last), 1, largest)


def test_a_complex_transfer_function_counts_by_its_magnitude() -> None:
    def otf(k: torch.Tensor) -> torch.Tensor:
        return torch.exp(-(k**2).sum(-1) + 5j * k.sum(-1))

    shifted = MeshFourierTransform((20, 20, 20), (1, 1, 1), otf, threshold=0.9).band
    plain = MeshFourierTransform(
        (20, 20, 20), (1, 1, 1), lambda k: torch.exp(-(k**2).sum(-1)), threshold=0.9
    ).band
    assert shifted == plain == (6, 6, 6)
