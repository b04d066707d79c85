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


HALO = 2


def setting(band, seed: int):
    rng = np.random.default_rng(seed)
    sizes = tuple(
        int(max(2 * k + 1 + extra, HALO))
        for k, extra in zip(band, rng.integers(0, 6, 3), strict=True)
    )
    planes, rows = (rng.random(size) < 0.6 for size in sizes[:2])
    factors = tuple(rng.uniform(0.5, 2.0, len(axis)) for axis in mode_indices(band))
    return rng, sizes, planes, rows, factors


def within_halos(field: np.ndarray) -> np.ndarray:
    """Return a periodic field continued into halos along y and x."""
    return np.pad(field, [(0, 0), (0, HALO), (0, HALO)], mode="wrap")


@given(bands, seeds)
def test_band_of_grid_is_a_part_of_the_full_transform(band, seed: int) -> None:
    rng, sizes, planes, rows, factors = setting(band, seed)
    held = planes[:, None, None] & rows[:, None]
    grid = within_halos(np.broadcast_to(held, sizes)) * rng.normal(
        size=np.add(sizes, (0, HALO, HALO))
    )
    folded = grid.copy()
    folded[:, :, :HALO] += folded[:, :, sizes[2] :]
    folded[:, :HALO] += folded[:, sizes[1] :]
    expected = np.fft.fftn(folded[:, : sizes[1], : sizes[2]])[np.ix_(*mode_indices(band))]
    expected *= np.einsum("z,y,x->zyx", *factors)
    found = band_of_grid(grid, planes, rows, HALO, factors)
    np.testing.assert_allclose(found, expected, atol=1e-11)


@given(bands, seeds)
def test_grid_of_band_is_the_adjoint(band, seed: int) -> None:
    rng, sizes, planes, rows, factors = setting(band, seed)
    shape = [len(axis) for axis in mode_indices(band)]
    modes = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    field = np.full(np.add(sizes, (0, HALO, HALO)), np.nan)
    grid_of_band(modes, planes, rows, HALO, factors, field)
    assert np.isnan(field[~planes]).all()
    wanted = field[:, : sizes[1], : sizes[2]]
    held = planes[:, None] & rows
    np.testing.assert_array_equal(field[planes], within_halos(wanted)[planes])
    other = rng.normal(size=sizes) * held[..., None]
    one = np.sum(other[held] * wanted[held])
    two = np.vdot(
        modes,
        band_of_grid(np.pad(other, [(0, 0), (0, HALO), (0, HALO)]), planes, rows, HALO, factors),
    ).real
    assert one == pytest.approx(two, abs=1e-9)


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
