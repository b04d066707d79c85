"""Voxels from the band's modes against torch's full transforms, and the adjoint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.meshft.band import mode_indices
from napari_deltamic.meshft.voxels import band_of_voxels, voxels_of_band

bands = st.tuples(*[st.integers(0, 12)] * 3)
boxes = st.tuples(*[st.integers(2, 9)] * 3)
seeds = st.integers(0, 2**32 - 1)


def setting(band, box, seed: int):
    rng = np.random.default_rng(seed)
    shape = tuple(int(rng.integers(1, size + 1)) for size in box)
    sizes = [len(axis) for axis in mode_indices(band)]
    modes = rng.normal(size=sizes) + 1j * rng.normal(size=sizes)
    return rng, shape, modes, rng.uniform(0.5, 2.0, shape)


@given(bands, boxes, seeds)
def test_voxels_are_the_sum_of_all_modes_also_of_those_that_alias(band, box, seed: int) -> None:
    _, shape, modes, weight = setting(band, box, seed)
    found = np.empty(shape)
    voxels_of_band(modes, box, 0.5, weight, found)
    waves = [
        np.exp(2j * np.pi * np.outer(np.arange(count), axis) / size)
        for count, axis, size in zip(shape, mode_indices(band), box, strict=True)
    ]
    # Every mode but those at x = 0 stands for its mirror image too.
    counted = modes * np.where(np.arange(band[2] + 1) > 0, 2.0, 1.0)
    expected = 0.5 * np.einsum("zyx,az,by,cx->abc", counted, *waves, optimize=True).real
    np.testing.assert_allclose(found, expected * weight, atol=1e-9)


@given(bands, boxes, seeds)
def test_the_adjoint_is_one(band, box, seed: int) -> None:
    rng, shape, modes, weight = setting(band, box, seed)
    seen, other = np.empty(shape), rng.normal(size=shape)
    voxels_of_band(modes, box, 0.5, weight, seen)
    back = band_of_voxels(other, box, 0.5, weight, band)
    assert np.vdot(modes, back).real == pytest.approx(np.vdot(seen, other), abs=1e-8)


def test_a_weight_may_be_one_number() -> None:
    _, shape, modes, _ = setting((3, 2, 1), (8, 6, 5), 0)
    some, all_ = np.empty(shape), np.empty(shape)
    voxels_of_band(modes, (8, 6, 5), 1.0, np.array(2.0), some)
    voxels_of_band(modes, (8, 6, 5), 1.0, np.full(shape, 2.0), all_)
    np.testing.assert_array_equal(some, all_)
